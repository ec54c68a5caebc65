# SPDX-License-Identifier: Apache-2.0
"""What of two images must be equal. What is left out, and why ("deliberate" names the place that says so, in ARCHITECTURE.md or DOCKERFILE.md):

- Times of what the build itself makes are not compared: the builders work side by side. All older ones are, for they come from the context, an
  archive or a base; but of directories only those that whittle took from the context (deliberate: DOCKERFILE.md).
- A file of a heredoc has the time 0 with whittle, the clock's with the peer (deliberate: the same place).
- The mount points and files that the peer's container runtime leaves in the image (/dev, /proc, /sys, /etc/resolv.conf, /etc/hosts;
  deliberate: chapter 3, "Mount points that the image lacks").
- A layer that changes nothing, or no layer: whittle writes none where a step left nothing, and one where a file was copied over its like;
  the peer does the opposite (deliberate: DOCKERFILE.md).
- The text of a HEALTHCHECK in the history; the config's is compared.
- `created` (deliberate: chapter 3), ArgsEscaped (of Windows), and what the peer writes of itself (moby.buildkit…).
- An empty list, object or text is the same as none.
"""
import bases, case, image, known

IGNORED = {'/', '/dev', '/proc', '/sys', '/etc/resolv.conf', '/etc/hosts', '/etc/hostname'}
IGNORED_BELOW = ('/dev/', '/proc/', '/sys/')


def ignored(path):
    return path in IGNORED or path.startswith(IGNORED_BELOW)


def tree_rows(tree):
    """path -> (what must be equal, time, content where it is short)"""
    first = {}
    for path in sorted(tree):
        first.setdefault(tree[path]['inode'], path)
    rows = {}
    for path, e in tree.items():
        if ignored(path):
            continue
        row = '%s %04o %d:%d' % (e['kind'], e['mode'], e['uid'], e['gid'])
        if e['kind'] == 'file':
            row += ' %d %s' % (e['size'], e['sum'])
            if first[e['inode']] != path:
                row += ' =' + first[e['inode']]
        elif 'to' in e:
            row += ' -> ' + e['to']
        for k, v in e['xattr']:
            row += ' %s=%s' % (k, v.encode('utf-8', 'surrogateescape').hex())
        rows[path] = (row, e['time'], e.get('text'))
    return rows


def same_time(row, ours, theirs):
    if ours == theirs or (ours >= bases.NOW and theirs >= bases.NOW):
        return True
    if row.startswith('dir'):
        return ours != case.DIR_TIME or theirs >= bases.NOW
    return ours == 0 and theirs >= bases.NOW


def config_rows(config, changes):
    """changes: for each layer whether it changes anything."""
    rows, layers = {}, iter(changes)
    for k, v in config.items():
        if k not in ('config', 'history', 'rootfs', 'created') and not k.startswith('moby.') and v not in ('', None):
            rows[k] = v
    for k, v in (config.get('config') or {}).items():
        if k != 'ArgsEscaped' and v not in ('', None, [], {}, False):
            rows['config.' + k] = v
    for n, h in enumerate(config.get('history') or []):
        empty = bool(h.get('empty_layer')) or not next(layers, True)
        text = h.get('created_by') or ''
        # An older BuildKit prints the structure that it has in memory.
        text = 'HEALTHCHECK …' if text.startswith('HEALTHCHECK ') else text
        rows['history.%02d' % n] = [text, empty, h.get('comment'), h.get('author')]
    if next(layers, None) is not None:
        rows['history'] = 'fewer lines than layers'
    return rows


def changes(layers):
    """The merged tree, and for each layer whether it changes more than the times of directories."""
    out, before, tree = [], {}, {}
    for n in range(len(layers)):
        tree = image.merge(layers[:n + 1])
        now = {p: (r[0].split(' =')[0], None if r[0].startswith('dir') else r[1]) for p, r in tree_rows(tree).items()}
        out.append(now != before)
        before = now
    return tree, out


def differences(ours, theirs, of):
    """Lines that say what differs; none when nothing does."""
    out = []
    (our_config, our_layers), (their_config, their_layers) = ours, theirs
    our_tree, our_changes = changes(our_layers)
    their_tree, their_changes = changes(their_layers)
    a, b = config_rows(our_config, our_changes), config_rows(their_config, their_changes)
    left_out = known.left_out(of)
    for k in sorted(set(a) | set(b)):
        if a.get(k) != b.get(k):
            out += ['%s' % k, '  whittle %r' % (a.get(k),), '  peer    %r' % (b.get(k),)]
    a, b = tree_rows(our_tree), tree_rows(their_tree)
    for k in sorted(set(a) | set(b)):
        x, y = a.get(k, ('absent', 0, None)), b.get(k, ('absent', 0, None))
        if (y[0] == 'absent' and left_out(k, x[0])) or known.older(of, k, x[0], y[0]) or known.relinked(x[0], y[0]):
            continue
        if x[0] != y[0] or not same_time(x[0], x[1], y[1]):
            out += ['%r' % k, '  whittle %s @%d' % x[:2], '  peer    %s @%d' % y[:2]]
            if x[2] != y[2]:
                out += ['    whittle has %r' % x[2], '    peer has    %r' % y[2]]
    return out
