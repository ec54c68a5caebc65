# SPDX-License-Identifier: Apache-2.0
"""What of two images must be equal. What is left out, and why:

- Times of what the build itself made (after the run began): the builders work one beside the other. All older ones are compared, as
  they come from the context, an archive or a base.
- The mount points and files that the peer's container runtime leaves in the image (/dev, /proc, /sys, /etc/resolv.conf, /etc/hosts): whittle makes them
  outside of the tree (ARCHITECTURE.md, chapter 3, "Mount points that the image lacks").
- `created` (chapter 3), ArgsEscaped (of Windows), and what the peer writes of itself (moby.buildkit…).
- An empty list, object or text is the same as none.
"""
import image

IGNORED = {'/', '/dev', '/proc', '/sys', '/etc/resolv.conf', '/etc/hosts', '/etc/hostname'}
IGNORED_BELOW = ('/dev/', '/proc/', '/sys/')


def ignored(path):
    return path in IGNORED or path.startswith(IGNORED_BELOW)


def tree_rows(layers, began):
    tree = image.merge(layers)
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
        if e['time'] < began:
            row += ' @%d' % e['time']
        rows[path] = (row, e.get('text'))
    return rows


def config_rows(config):
    rows = {}
    for k, v in config.items():
        if k not in ('config', 'history', 'rootfs', 'created') and not k.startswith('moby.') and v not in ('', None):
            rows[k] = v
    for k, v in (config.get('config') or {}).items():
        if k != 'ArgsEscaped' and v not in ('', None, [], {}, False):
            rows['config.' + k] = v
    for n, h in enumerate(config.get('history') or []):
        rows['history.%02d' % n] = [h.get('created_by'), bool(h.get('empty_layer')), h.get('comment'), h.get('author')]
    return rows


def differences(ours, theirs, began):
    """Lines that say what differs; none when nothing does."""
    out = []
    (our_config, our_layers), (their_config, their_layers) = ours, theirs
    a, b = config_rows(our_config), config_rows(their_config)
    for k in sorted(set(a) | set(b)):
        if a.get(k) != b.get(k):
            out += ['%s' % k, '  whittle %r' % (a.get(k),), '  peer    %r' % (b.get(k),)]
    a, b = tree_rows(our_layers, began), tree_rows(their_layers, began)
    for k in sorted(set(a) | set(b)):
        x, y = a.get(k, ('absent', None)), b.get(k, ('absent', None))
        if x[0] != y[0]:
            out += ['%r' % k, '  whittle ' + x[0], '  peer    ' + y[0]]
            if x[1] != y[1]:
                out += ['    whittle has %r' % x[1], '    peer has    %r' % y[1]]
    return out
