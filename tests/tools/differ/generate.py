# SPDX-License-Identifier: Apache-2.0
"""seed -> case"""
import random

import gen_context, gen_file
from case import Case, Entry

WRONG_LINES = [
    'UNKNOWN x', 'RNU true', 'COPY', 'COPY a', 'COPY missing-file /x', 'COPY --from=nostage-%d a /x', 'COPY --bogus=1 a /', 'ADD --chmod=9999 . /x', 'COPY --chmod=u?x . /x', 'ENV', 'ENV A', 'ENV A=b c',
    'ENV =x', 'ARG', 'ARG =v', 'ARG A B C=', 'LABEL', 'LABEL x', 'EXPOSE', 'EXPOSE port', 'EXPOSE 99999', 'EXPOSE 5-3', 'EXPOSE 80/bogus', 'WORKDIR', 'USER', 'VOLUME', 'VOLUME []', 'VOLUME [""]', 'STOPSIGNAL', 'STOPSIGNAL SIGNONE',
    'STOPSIGNAL 0', 'STOPSIGNAL 65', 'HEALTHCHECK', 'HEALTHCHECK CMD', 'HEALTHCHECK FOO', 'HEALTHCHECK --interval=1us CMD x', 'HEALTHCHECK --interval=bad CMD x', 'HEALTHCHECK NONE x', 'HEALTHCHECK --retries=-1 CMD x', 'SHELL sh', 'SHELL []',
    'ONBUILD', 'ONBUILD FROM base', 'ONBUILD ONBUILD RUN x', 'ONBUILD MAINTAINER x', 'ONBUILD BOGUS x', 'RUN false', 'RUN', 'RUN []', 'RUN [""]', 'RUN --mount=type=bogus,target=/x true', 'RUN --mount=type=cache true', 'RUN --mount=bogus true',
    'RUN --network=bogus true', 'RUN --security=bogus true', 'RUN --mount=type=secret,required=true,id=none true', 'RUN <<EOF\nunended', 'COPY <<A <<B /x\n1\nA\n', 'COPY ["a"]', 'COPY ["a", "b"', 'ENV X="unclosed', "ENV X='unclosed", 'ENV X=${unclosed',
    'ENV X=${A:?must be set}', 'ENV X=${A?}', 'ENV X=${}', 'ENV X=${A:bad}', 'ENV X=${1A}', 'FROM', 'FROM base AS', 'FROM base AS 9x', 'FROM base AS a b', 'FROM base extra', 'FROM $UNDEFINED', 'FROM --platform=bogus/x base', 'FROM base AS scratch', 'MAINTAINER',
    'CMD', 'ENTRYPOINT', 'RUN --mount=type=bind,target=rel,from=base true', 'USER nobodyhere\nRUN true', 'COPY --chown=nouser . /x', 'ADD --checksum=sha256:00 a /x', 'COPY --from= a /x', 'COPY a\\', 'COPY --link=maybe . /x', 'ADD --keep-git-dir=x . /y',
    'COPY ../out /x', 'COPY /../../etc /x', 'WORKDIR ""', 'RUN --mount=type=tmpfs,target=/t,size=x true', 'RUN --mount=type=bind,target=/x,source=nowhere true', 'RUN --mount=type=cache,target=/x,sharing=bogus true', 'ENV A=b\\', 'CMD ["x"', 'EXPOSE 1-', '"RUN" true',
    'COPY --chmod= . /x', 'COPY --chmod=u+ . /x', 'LABEL "a', 'USER :', 'USER web:nogroup\nRUN true', 'COPY --exclude= . /x', 'ARG 1A=x', 'ENV 1A=x', 'ENV a.b=c', 'ENV "q r"=c', 'LABEL =x', 'STOPSIGNAL SIGTERM SIGKILL', 'USER a b', 'WORKDIR /a /b', 'ARG A-B=c',
]


def edit(r, text):
    """One small random change of the text."""
    at = r.randrange(max(1, len(text)))
    pick = r.randrange(6)
    if pick == 0:
        return text[:at] + text[at + 1:]
    if pick == 1:
        return text[:at] + r.choice(list('"\'\\$ {}[],=#:\n\t<-|&*/')) + text[at:]
    if pick == 2:
        return text[:at] + text[at:at + 2][::-1] + text[at + 2:]
    lines = text.split('\n')
    n = r.randrange(len(lines))
    if pick == 3:
        del lines[n]
    elif pick == 4:
        lines.insert(n, lines[r.randrange(len(lines))])
    else:
        m = r.randrange(len(lines))
        lines[n], lines[m] = lines[m], lines[n]
    return '\n'.join(lines)


def case(seed, peer):
    """peer: what its language has beyond the oldest (a set of words)."""
    r = random.Random('whittle-differ-%s' % seed)
    c = Case(seed)
    context = gen_context.make(r)
    extra = {}
    if r.random() < 0.3:
        extra['ext'] = gen_context.make(r, small=True)
    f = gen_file.File(r, context, extra, peer)
    text = f.make()
    p = r.random()
    if p < 0.1:
        lines = text.split('\n')
        at = r.randrange(1, len(lines) + 1)
        bad = r.choice(WRONG_LINES)
        lines.insert(at, bad % r.randrange(1000) if '%d' in bad else bad)
        text, c.wrong = '\n'.join(lines), True
    elif p < 0.18:
        text, c.wrong = edit(r, text), True
    c.dockerfile = text.encode('utf-8', 'surrogateescape')
    c.files = context.entries
    c.extra = {n: x.entries for n, x in extra.items()}
    if r.random() < 0.16:
        c.files = c.files + [Entry('f', '.dockerignore', 0o644, gen_context.ignore_file(r, context))]
    c.args = f.args[:6]
    if r.random() < 0.15:
        named = [s.name for s in f.stages if s.name]
        if named:
            c.target = r.choice(named + ['nonesuch'] if r.random() < 0.1 else named)
    if r.random() < 0.05:
        c.labels = [r.choice(['k=cli', 'cli=a b', 'rich=2'])]
    return c
