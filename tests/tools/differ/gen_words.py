# SPDX-License-Identifier: Apache-2.0
"""Random words: variables in all their forms, quotes, escapes."""

LITERALS = ['x', 'abc', 'v1.2.3', 'a-b', 'foo.tar.gz', 'aXbXc', 'α', '0', 'hello', 'a/b/c', 'A', 'k:v', '%d', '&', '+', '@', '~', '^']
UNKNOWN = ['NOPE', 'unset_1']
PATTERNS = ['*', '?', 'a*', '*b', '*/', '.*', 'v', 'X', 'x', '*.', 'from', '\\*', '[a]', 'he?']


class Words:
    """esc: the escape character of the file. names: the variables that are known where a word stands."""

    def __init__(self, r, esc='\\'):
        self.r, self.esc, self.names = r, esc, []

    def name(self):
        r = self.r
        if self.names and r.random() < 0.8:
            return r.choice(self.names)
        return r.choice(UNKNOWN + ['PATH', 'HOME', 'TARGETARCH'] if r.random() < 0.5 else UNKNOWN)

    def variable(self, depth=0):
        r, n, e = self.r, self.name(), self.esc
        pick = r.randrange(20)
        if pick < 4:
            return '$' + n
        if pick < 8:
            return '${%s}' % n
        inner = self.bare(depth + 1) if depth < 2 else r.choice(LITERALS)
        if pick < 14:
            return '${%s%s%s}' % (n, r.choice([':-', ':-', '-', ':+', '+', ':-', '-']), inner)
        if pick == 14 and n == 'PATH':
            return '${PATH:?no path}'
        if pick < 17:
            return '${%s%s%s}' % (n, r.choice(['#', '##', '%', '%%']), r.choice(PATTERNS))
        if pick < 19:
            return '${%s%s%s/%s}' % (n, r.choice(['/', '//']), r.choice([p for p in PATTERNS if '/' not in p]), r.choice(['', 'R', 'rr', '-', '$' + self.name()]))
        return '${%s:-%s}' % (n, r.choice(['', e + '}', '$' + self.name(), '"q"', "'q'", '${%s}' % self.name()]))

    def bare(self, depth=0):
        """A piece without white space of its own."""
        r = self.r
        out = ''
        for _ in range(r.randrange(1, 3)):
            p = r.random()
            if p < 0.45:
                out += r.choice(LITERALS)
            elif p < 0.85:
                out += self.variable(depth)
            elif p < 0.93:
                out += self.esc + r.choice(['$', '"', "'", self.esc, 'n', '}'])
            else:
                out += r.choice(['$', '$$', '}', '=', ':', '\\'] if depth == 0 else [':'])
        return out

    def quoted(self):
        r = self.r
        p = r.random()
        if p < 0.5:
            inner = ''.join(r.choice([self.bare(), ' ', r.choice(LITERALS), "'", self.esc + '"', self.esc + '$x', '  ', self.esc + 'z']) for _ in range(r.randrange(0, 4)))
            inner = inner.replace('"', '') if self.esc not in inner and inner.count('"') % 2 else inner
            return '"' + unquote(inner, '"', self.esc) + '"'
        inner = ''.join(r.choice([self.variable(), ' ', r.choice(LITERALS), '"', self.esc, '$', '#']) for _ in range(r.randrange(0, 4)))
        return "'" + inner.replace("'", '') + "'"

    def word(self):
        """A word: pieces joined, some quoted, escaped blanks."""
        r = self.r
        out = ''
        for _ in range(r.choice([1, 1, 1, 2])):
            p = r.random()
            out += self.bare() if p < 0.6 else self.quoted() if p < 0.92 else r.choice(LITERALS) + self.esc + ' ' + r.choice(LITERALS)
        return balanced(out, self.esc)


def unquote(text, quote, esc):
    """Escapes the quotes inside that are not escaped yet."""
    out, n = '', 0
    while n < len(text):
        if text[n] == esc and n + 1 < len(text):
            out += text[n:n + 2]
            n += 2
            continue
        out += esc + quote if text[n] == quote else text[n]
        n += 1
    return out[:-1] if out.endswith(esc) and not out.endswith(esc + esc) else out


def balanced(text, esc):
    """A word must not end in a lone escape: it would eat what follows."""
    count = len(text) - len(text.rstrip(esc))
    return text + esc if count % 2 else text
