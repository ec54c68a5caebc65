# SPDX-License-Identifier: Apache-2.0
"""Random Dockerfiles over a context, mostly valid ones."""
import json, os

import gen_words

NAMES = ['A', 'B', 'VER', 'name', 'C_1', 'DIR', 'Mixed', '_u', 'FROMCHILD']
STAGES = ['one', 'two', 'build', 'st-3', 'a.b_c', 'Final']
OWNERS = ['33:50', '1009', 'web', 'web:staff', 'nine:web', ':50', '12:staff', 'root', '0:0', 'nine', '60000:7', '${OWN:-33}:0']
MODES = ['644', '0755', '4755', '0', '1777', '700', '02755', '${M:-640}']
SYMBOLIC = ['u+x', 'go-rwx', 'a+rX', '+x', 'u=rwx,go=rX', 'g=u', 'o-r,u+s', '+t', 'a=r', 'ug=o', 'g+s,o=']
DESTS = ['/', '.', './', '/dst', '/dst/', '/a/b/c', '/a/b/', 'rel', 'rel/', 'rel/deep/', '/absolute/', '/relative/x', '/dangling', '/opt/app/', '/data', '/data/sub/',
         '/srv/../up/', '//dbl//x', '/srv/tofile', '/etc', '/bin/', '/vol/in', '../out/', '/new dir/x', './x/../y']
WORKDIRS = ['/w', '/w/', 'sub', 'sub/', './rel', '../up', '/a//b', '/', '.', '/data', '/absolute/in', '/relative', '/opt/app/deep', '/srv/app', '"/quoted dir"', '/w/$NOPE/x',
            '/etc/../y', '/vol/wd', '/etc']
PORTS = ['80', '443/tcp', '53/udp', '8000-8003', '9000-9001/udp', '1/sctp', '$P', '${P:-7}', '80/TCP']
SIGNALS = ['SIGTERM', 'SIGKILL', '9', 'SIGRTMIN+3', 'TERM', 'SIGUSR1', '${S:-SIGHUP}']
USERS = ['web', 'nine', '33', '33:50', 'web:staff', '1009:nine', 'root', '0:0', '4321', '${U:-web}', 'bin:']
SHELL_TESTS = ['env | grep -vE \'^(HOSTNAME|OTEL_.*|TRACEPARENT)=\' | sort', 'pwd', 'id', 'umask', 'echo "$A" ${B:-x} \'$VER\'', 'ls -a1 | sort', 'echo $0 $#', 'grep -h Cap /proc/self/status', 'ulimit -n; ulimit -c']
MUTATIONS = ['mkdir -p /m/n && ln -s n /m/l', 'rm -rf /data /m', 'rm -f /etc/passwd-; echo x >> /etc/group', 'mkdir -p /m && touch /m/t && chmod 4711 /m/t',
             'mkdir -p /h && echo h > /h/1 && ln /h/1 /h/2', 'rm -rf /srv && mkdir /srv && echo new > /srv/new', 'mv /data /moved || true', 'chown 33:50 /root', 'chmod 711 /root',
             'mkfifo /fifo || true', 'ln -sf /nowhere /dangling', 'rm -rf /opt/old; mkdir -p /opt && echo now a file > /opt/old', 'touch /tmp/t && mkdir -p /h/empty', 'true', 'rm -f /h/1',
             'echo more >> /data/one || true', 'rm -rf /absolute && mkdir -p /absolute/real']


class Stage:
    def __init__(self, name, base):
        self.name, self.base = name, base
        self.names = []          # variables
        self.paths = []          # absolute paths that are probably there
        self.runs = True


class File:
    def __init__(self, r, context, extra, peer):
        self.r, self.context, self.extra, self.peer = r, context, extra, peer
        self.esc = '`' if r.random() < 0.12 else '\\'
        self.words = gen_words.Words(r, self.esc)
        self.stages, self.stage = [], None
        self.globals, self.args = [], []
        self.parts = []          # (text, may be split over lines)
        self.counter = 0

    # ---- pieces ----

    def chance(self, p):
        return self.r.random() < p

    def keyword(self, word):
        return self.r.choice([word] * 12 + [word.lower(), word.capitalize()])

    def add(self, word, rest, split=True):
        sep = self.r.choice([' '] * 8 + ['  ', '\t'])
        self.parts.append((self.r.choice([''] * 12 + ['  ', '\t']) + self.keyword(word) + sep + rest, split))

    def plain_path(self, path):
        """A path, or pattern, as a word of the shell-like form, or None where that form cannot say it."""
        out = ''
        for c in path:
            if c == self.esc or c in '"\'$':
                out += self.esc + c
            elif c in ' \t':
                return None
            else:
                out += c
        return out

    def pattern(self, path):
        r = self.r
        head, base = os.path.split(path)
        pick = r.choice([base[:1] + '*', '*', '?' * len(base), '*' + base[-1:], '[%s-%s]*' % (base[:1], base[:1]) if base[:1].isalnum() else '*', base + '*'])
        if any(c in pick for c in ' $"\'\\') or any(c in head for c in ' $"\'\\[*?'):
            return '*'
        if head and r.random() < 0.3 and '/' not in head:
            head = '*'
        return os.path.join(head, pick)

    def source(self, paths):
        """Returns (raw path for JSON, word for the plain form or None)."""
        r = self.r
        p = r.random()
        if not paths or p < 0.008:
            return ('missing', 'missing')
        path = r.choice(paths)
        if p < 0.2:
            pat = self.pattern(path)
            return pat, pat
        if p < 0.28:
            path = path + '/'
        elif p < 0.32:
            path = './' + path
        elif p < 0.36 and not path.startswith('/'):
            path = '/' + path
        elif p < 0.38:
            path = 'd/../' + path if not path.startswith('/') else path
        if r.random() < 0.9:
            path = ''.join('[%s]' % c if c in '*?[' else c for c in path)
        return path, self.plain_path(path)

    def json_list(self, items):
        return self.r.choice(['', '', ' ']).join(['[', self.r.choice([', ', ',']).join(json.dumps(i, ensure_ascii=self.chance(0.5)) for i in items), ']'])

    def define(self, n):
        if n not in self.stage.names:
            self.stage.names.append(n)
        self.words.names = self.stage.names

    # ---- instructions ----

    def from_(self):
        r = self.r
        named = [s for s in self.stages if s.name]
        p = r.random()
        if self.stages and p < 0.35:
            other = r.choice(self.stages)
            base = other.name.lower() if other.name else None
        elif p < 0.45:
            other, base = None, 'scratch'
        else:
            other, base = None, r.choice(['base'] * 6 + ['rich'] * 5 + ['user'] * 2 + ['trigger'])
        if base is None:
            other, base = None, 'base'
        s = Stage(None, base)
        if other:
            s.runs, s.names, s.paths = other.runs, list(other.names), list(other.paths)
        elif base == 'scratch':
            s.runs = False
        else:
            s.paths = ['/etc/passwd', '/bin/busybox', '/etc', '/tmp']
            if base in ('rich', 'trigger'):
                s.names = ['RICH', 'A', 'EMPTY', 'SPACED']
                s.paths += ['/data', '/data/sub', '/data/one', '/absolute', '/relative', '/opt/app', '/srv/tofile', '/opt', '/data/hard', '/relative/one']
        text = base
        if self.globals and r.random() < 0.3:
            g = r.choice(self.globals)
            text = r.choice(['${NOPE:-%s}' % base, '${%s:+%s}' % (g[0], base) if g[1] else base, '"%s"' % base])
        if r.random() < 0.05:
            text = r.choice(['--platform=$BUILDPLATFORM ', '--platform=linux/amd64 ', '--platform=$TARGETPLATFORM ']) + text
        if r.random() < 0.8:
            s.name = r.choice(STAGES) if r.random() < 0.2 else 's%d' % len(self.stages)
            text += r.choice([' AS ', ' as ', ' As ']) + s.name
        self.add('FROM', text)
        self.stages.append(s)
        self.stage = s
        self.words.names = s.names

    def arg(self, where=None):
        r = self.r
        names = NAMES if where is None else NAMES + ['GLOB', 'BASE']
        items = []
        for _ in range(r.choice([1, 1, 1, 2])):
            n = r.choice(names)
            has = r.random() < 0.65
            items.append(n + '=' + self.words.word() if has else n)
            if where is None:
                self.define(n)
            else:
                where.append((n, has))
                self.words.names = [g[0] for g in where]
            if r.random() < 0.35:
                self.args.append(n + '=' + r.choice(['given', 'with space', '$A', '', 'q"q', 'x/y', '${B}']))
        self.add('ARG', ' '.join(items))

    def env(self):
        r = self.r
        if r.random() < 0.2:
            n = r.choice(NAMES)
            self.add('ENV', n + ' ' + r.choice([self.words.word(), self.words.bare() + '  two', '"quoted" rest', "a 'b  c' d"]))
            self.define(n)
            return
        items, new = [], []
        for _ in range(r.choice([1, 1, 2, 3])):
            n = r.choice(NAMES + (['PATH'] if r.random() < 0.05 else []))
            items.append(n + '=' + self.words.word() if n != 'PATH' else 'PATH=$PATH:/more')
            new.append(n)
        self.add('ENV', ' '.join(items))
        for n in new:
            self.define(n)

    def label(self):
        r = self.r
        if r.random() < 0.15:
            self.add('LABEL', r.choice(['k', 'org.x.y']) + ' ' + self.words.bare() + r.choice([' b', '', '  c d']))
            return
        keys = ['k', '"key with space"', 'org.opencontainers.image.title', 'a', '"$A"', 'x-$VER' if r.random() < 0.3 else 'z', "'s'"]
        self.add('LABEL', ' '.join('%s=%s' % (r.choice(keys), self.words.word()) for _ in range(r.choice([1, 1, 2]))))

    def copy_flags(self, add):
        r, flags = self.r, []
        if r.random() < 0.2:
            flags.append('--chown=' + r.choice(OWNERS))
        if r.random() < 0.2:
            flags.append('--chmod=' + (r.choice(SYMBOLIC) if 'chmod-symbolic' in self.peer and r.random() < 0.3 else r.choice(MODES)))
        if r.random() < 0.08 and 'link' in self.peer:
            flags.append('--link' + r.choice(['', '', '=true', '=false']))
        if r.random() < 0.1 and 'exclude' in self.peer:
            for _ in range(r.choice([1, 1, 2])):
                flags.append('--exclude=' + r.choice(['*', '**/a', 'a', '*.txt', 'd', '**/*.c', 'sub/*', '/a', '*/b.txt', '!a', 'x?']))
        if r.random() < 0.06 and 'parents' in self.peer and not add:
            flags.append('--parents')
        return flags

    def copy(self, add=False):
        r = self.r
        flags = self.copy_flags(add)
        paths = list(self.context.paths()) + ['.'] * 2
        p = r.random()
        if not add and p < 0.4 and len(self.stages) > 1:
            n = r.randrange(len(self.stages) - 1)
            other = self.stages[n]
            flags.append('--from=' + (other.name if other.name and r.random() < 0.8 else str(n)))
            paths = other.paths
        elif not add and p < 0.48:
            flags.append('--from=' + r.choice(['base', 'rich']))
            paths = ['/etc/passwd', '/bin/busybox', '/etc/'] + (['/data', '/absolute/', '/relative', '/srv', '/opt/app', '/data/one'] if flags[-1].endswith('rich') else [])
        elif not add and p < 0.56 and self.extra:
            name = r.choice(sorted(self.extra))
            flags.append('--from=' + name)
            paths = list(self.extra[name].paths()) + ['.', '/']
        elif add and self.context.archives and p < 0.7:
            paths = self.context.archives
        r.shuffle(flags)
        sources = [self.source(paths) for _ in range(r.choice([1, 1, 1, 1, 2, 3]))]
        if any(f.startswith('--exclude') for f in flags) and any(f.startswith('--from') for f in flags):
            # The peer copies from a stage, but not from a context, what a wildcard finds although it is excluded.
            sources = [s if not any(c in s[0] for c in '[*?') else (r.choice(paths), None) for s in sources]
        dest = r.choice(DESTS + self.links_of_stage())
        if '--parents' in flags:
            # The peer does not find a root that is asked for by name, nor a link to nothing.
            sources = [s if s[0].strip('./') and '//' not in s[0] else ('*', '*') for s in sources]
        if len(sources) > 1 and not dest.endswith('/') and r.random() < 0.85:
            dest += '/'
        if r.random() < 0.12:
            dest = r.choice(['/v-$VER/', '/${A:-dflt}x', '$DIR/', '/n${name}'])
        raw = [s[0] for s in sources] + [dest]
        plain = [s[1] for s in sources] + [dest if ' ' not in dest else None]
        text = ' '.join(flags) + (' ' if flags else '')
        if None in plain or r.random() < 0.2:
            text += self.json_list(raw)
        else:
            text += ' '.join(plain)
        self.add('ADD' if add else 'COPY', text)
        if '$' not in dest and dest.startswith('/'):
            self.stage.paths.append(os.path.normpath(dest))

    def links_of_stage(self):
        return ['/absolute', '/relative', '/opt/app', '/loop1/x'] if '/data' in self.stage.paths else []

    def heredoc_body(self):
        r = self.r
        return ''.join(r.choice(['line $A\n', '\ttabbed ${B:-none}\n', '"quotes" \'single\'\n', 'back\\slash \\$A `tick`\n', '\n', '# hash\n', 'end \\\n', ' EOF\n', '$(x) ${VER}\n', 'ä\n'])
                       for _ in range(r.randrange(0, 4)))

    def heredoc_copy(self):
        r = self.r
        marks, bodies = [], []
        for n in range(r.choice([1, 1, 2])):
            word = r.choice(['EOF', 'END', 'file.txt', 'F%d' % n]) + (str(n) if n else '')
            mark = r.choice(['<<%s', '<<-%s', '<<"%s"', "<<'%s'", "<<-'%s'"]) % word
            marks.append(mark)
            bodies.append(self.heredoc_body() + ('\t' if '<<-' in mark and r.random() < 0.5 else '') + word)
        flags = self.copy_flags(True)
        flags = [f for f in flags if not f.startswith('--exclude')]
        extra = []
        if r.random() < 0.2 and self.context.files:
            w = self.plain_path(r.choice(self.context.files))
            extra = [w] if w else []
        dest = r.choice(['/hd/', '/hd/x/', 'rel/', '/data/']) if len(marks) + len(extra) > 1 or r.random() < 0.4 else r.choice(['/hd1', 'here', '/srv/tofile', '/h/$VER/f', '/data'])
        words = marks + extra
        r.shuffle(words)
        # Bodies follow in the order of their marks.
        bodies = [bodies[marks.index(w)] for w in words if w in marks]
        self.add(r.choice(['COPY', 'COPY', 'ADD']), ' '.join(flags + words + [dest]) + '\n' + '\n'.join(bodies), False)

    def mount(self):
        r = self.r
        p = r.random()
        if p < 0.45:
            named = [s.name for s in self.stages[:-1] if s.name and s.name != self.stage.name] + sorted(self.extra) + ['base', 'rich']
            opts = ['type=bind'] if r.random() < 0.8 else []
            source, target = '', '/mnt/m%d' % self.counter
            if r.random() < 0.6:
                opts.append('from=' + r.choice(named))
            elif self.context.dirs and r.random() < 0.5:
                p = r.choice(self.context.dirs)
                if p.isascii() and not any(c in p for c in ',"$ \\'):
                    source = r.choice(['source=', 'src=']) + p
            opts.append(r.choice(['target=', 'dst=', 'destination=']) + target)
            if source:
                opts.append(source)
            if r.random() < 0.4:
                opts.append(r.choice(['rw', 'readwrite', 'ro', 'readonly', 'rw=true', 'ro=false']))
            r.shuffle(opts)
            return '--mount=' + ','.join(opts), 'find %s 2>/dev/null | sort | head -40; touch %s/t 2>/dev/null && echo w || echo r' % (target, target)
        if p < 0.75:
            n = self.r.randrange(1 << 30)
            return '--mount=type=cache,target=/cache%s' % r.choice(['', ',id=c%d' % n, ',uid=33,gid=50,mode=0750,id=d%d' % n, ',sharing=private,id=e%d' % n, ',from=base,source=/etc,id=f%d' % n]), 'ls -ldn /cache | cut -c1-40; ls /cache'
        return '--mount=type=tmpfs,target=/tm' + r.choice(['', ',size=1m']), 'touch /tm/x && ls /tm'

    def run(self):
        r = self.r
        if not self.stage.runs:
            return self.copy()
        self.counter += 1
        out = '/tmp/r%d-%d' % (len(self.stages), self.counter)
        self.stage.paths.append(out)
        flags, test = '', r.choice(SHELL_TESTS)
        if r.random() < 0.25:
            flags, test = self.mount()
            flags += ' '
        if r.random() < 0.04:
            flags += '--network=none '
        act = r.choice(MUTATIONS) if r.random() < 0.6 else 'true'
        p = r.random()
        esc = self.esc
        if p < 0.4:
            gap = r.choice([' ', ' ' + esc + '\n    ', ' ' + esc + '\n# comment\n  ', ' ' + esc + '\n\n\t', '  '])
            self.add('RUN', flags + '{ %s; } > %s 2>&1;%s%s' % (test, out, gap, act), False)
        elif p < 0.55:
            self.add('RUN', flags + self.json_list(['sh', '-c', '{ %s; } > %s 2>&1; %s' % (test, out, act)]), False)
        elif p < 0.7:
            quote = r.choice(['', '', '"', "'"])
            dash = r.choice(['', '-'])
            self.add('RUN', flags + '<<%s%sEOF%s\n%s{ %s; } > %s 2>&1\n%s\n%sEOF' % (dash, quote, quote, '\t' if dash else '', test, out, act, '\t' if dash else ''), False)
        elif p < 0.8:
            self.add('RUN', flags + '<<%s\n#!/bin/sh\n{ %s; } > %s 2>&1\n%s\nEND' % (r.choice(['END', '"END"', '-END']), test, out, act), False)
        else:
            word = r.choice(['<<E1', "<<'E1'", '<<-E1'])
            self.add('RUN', flags + 'cat %s > %s\n%sE1' % (word, out, self.heredoc_body()), False)

    def workdir(self):
        r = self.r
        self.add('WORKDIR', r.choice(WORKDIRS) if r.random() < 0.7 else r.choice(['/', '', 'w/']) + (self.words.variable() if r.random() < 0.6 else self.words.word()))

    def user(self):
        self.add('USER', self.r.choice(USERS))

    def expose(self):
        self.add('EXPOSE', ' '.join(self.r.choice(PORTS) for _ in range(self.r.choice([1, 1, 2]))))

    def volume(self):
        r = self.r
        paths = [r.choice(['/v1', '/v2', 'relv', '/data', '/x$VER', '/a b' if r.random() < 0.2 else '/vv/']) for _ in range(r.choice([1, 2]))]
        self.add('VOLUME', self.json_list(paths) if r.random() < 0.5 or any(' ' in p for p in paths) else ' '.join(paths))

    def command(self, word):
        r = self.r
        if r.random() < 0.5:
            items = r.sample(['/bin/sh', '-c', 'echo $A', 'a b', '', 'ü', 'q"q', '<x>&'], r.randrange(0, 4))
            if r.random() < 0.12:
                self.add(word, r.choice(['["unclosed", ', "['single']", '[bare]', '["a" "b"]', '["a",]', '[1]', '["a", 2]', '["x"] tail', '[ ]', '["\\u00e4\\n"]']), False)
            else:
                self.add(word, self.json_list(items), False)
        else:
            self.add(word, r.choice(['exec top -b', 'echo "$A" \'b\'  c', 'echo a %s\n  && echo b' % self.esc, 'x', "sh -c 'sleep 1; # no'", 'printf "%s\\n" ${B}', '"quoted cmd" arg']), False)

    def shell(self):
        if self.chance(0.3):
            self.add('SHELL', self.r.choice(['["/bin/sh", "-ec"]', '["/bin/busybox","sh","-c"]', '[ "/bin/sh", "-u", "-c" ]' if self.chance(0.2) else '["sh","-c"]']))
        else:
            self.add('SHELL', '["/bin/sh", "-c"]')

    def healthcheck(self):
        r = self.r
        if r.random() < 0.15:
            self.add('HEALTHCHECK', r.choice(['NONE', 'none']))
            return
        flags = ''.join(f for f in [r.choice(['--interval=5s ', '--interval=1m30s ', '--interval=0 ']), '--timeout=%dms ' % r.randrange(1, 999), '--start-period=1h ', '--retries=%d ' % r.randrange(0, 4),
                                    '--start-interval=2.5s '] if r.random() < 0.35)
        self.add('HEALTHCHECK', flags + r.choice(['CMD ', 'cmd ']) + r.choice(['true', '["true", "x"]', 'curl -f "$A" || exit 1', 'a %s\n b' % self.esc, '[bad']), False)

    def stopsignal(self):
        self.add('STOPSIGNAL', self.r.choice(SIGNALS))

    def maintainer(self):
        self.add('MAINTAINER', self.r.choice(['Some One <one@example.org>', '"Quoted $A"', "o'b"]), False)

    def onbuild(self):
        # Does something only where a later stage stands on this one.
        at = len(self.parts)
        keep = self.stage.names
        self.stage.names = list(keep)
        [self.env, self.copy, self.run, self.label, self.workdir, self.user, self.arg, self.expose, self.heredoc_copy][self.r.randrange(9)]()
        self.stage.names = keep
        self.words.names = keep
        for n in range(at, len(self.parts)):
            self.parts[n] = (self.keyword('ONBUILD') + ' ' + self.parts[n][0].lstrip(), self.parts[n][1])

    # ---- the whole ----

    def make(self):
        r = self.r
        head = []
        if self.esc == '`' or r.random() < 0.06:
            head.append(r.choice(['# escape=', '#escape = ', '# ESCAPE=']) + self.esc)
        if r.random() < 0.05:
            head.append('# check=skip=all')
            r.shuffle(head)
        if r.random() < 0.1:
            head.append('# just a comment')
        if r.random() < 0.05:
            head.append('')
        for _ in range(r.choice([0, 0, 1, 1, 2, 3])):
            self.arg(self.globals)
        for _ in range(r.choice([1, 1, 2, 2, 3, 4])):
            self.from_()
            weights = [(self.run, 10), (self.copy, 20), (lambda: self.copy(True), 6), (self.heredoc_copy, 5), (self.env, 14), (self.arg, 10), (self.workdir, 8), (self.label, 5),
                       (self.user, 4), (self.expose, 2), (self.volume, 3), (lambda: self.command('CMD'), 4), (lambda: self.command('ENTRYPOINT'), 4), (self.shell, 2),
                       (self.healthcheck, 3), (self.stopsignal, 2), (self.maintainer, 1), (self.onbuild, 4)]
            for _ in range(r.randrange(1, 9)):
                r.choices([w[0] for w in weights], [w[1] for w in weights])[0]()
        text = '\n'.join(head + [self.split(t) if may else t for t, may in self.with_comments()]) + r.choice(['\n', '\n', '\n', '', '\n\n'])
        if r.random() < 0.05:
            text = text.replace('\n', '\r\n')
        if r.random() < 0.03:
            text = '\ufeff' + text
        return text

    def with_comments(self):
        for part in self.parts:
            if self.r.random() < 0.05:
                yield self.r.choice(['# comment', '', '   # indented', '#', '  ']), False
            yield part

    def split(self, text):
        """Breaks the line at blanks that are not quoted."""
        if self.r.random() > 0.12:
            return text
        out, quote, n = '', None, 0
        while n < len(text):
            c = text[n]
            if c == self.esc:
                out += text[n:n + 2]
                n += 2
                continue
            if c in '"\'':
                quote = None if quote == c else quote or c
            if c == ' ' and not quote and self.r.random() < 0.3:
                c = ' ' + self.esc + self.r.choice(['', '', '  ', '\t']) + '\n' + self.r.choice(['', '  ', '\t', '# in between\n ', '  # indented\n', '\n'])
            out += c
            n += 1
        return out
