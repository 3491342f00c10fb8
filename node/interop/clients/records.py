"""The form in which records come from the tests of node/interop and go back to them (stream_test.go), and the form of results."""
import struct
import sys

FIXED = struct.Struct('>iqq')
NUMBER = struct.Struct('>i')


def read():
    """Yields (partition, timestamp, key, value, headers) of each record on stdin."""
    f = sys.stdin.buffer

    def bytes_():
        n, = NUMBER.unpack(f.read(4))
        return None if n < 0 else f.read(n)

    while fixed := f.read(FIXED.size):
        partition, _, timestamp = FIXED.unpack(fixed)
        key, value = bytes_(), bytes_()
        n, = NUMBER.unpack(f.read(4))
        yield partition, timestamp, key, value, [(bytes_().decode(), bytes_()) for _ in range(n)]


def write(r):
    """Writes a record that a client read to stdout."""
    out = [FIXED.pack(r.partition, r.offset, r.timestamp)]

    def bytes_(b):
        out.append(NUMBER.pack(-1 if b is None else len(b)))
        if b:
            out.append(b)

    bytes_(r.key)
    bytes_(r.value)
    out.append(NUMBER.pack(len(r.headers)))
    for key, value in r.headers:
        bytes_(key.encode())
        bytes_(value)
    sys.stdout.buffer.write(b''.join(out))


def name(error):
    """A class of error, or an instance."""
    return error.__name__ if isinstance(error, type) else type(error).__name__


def say(what, result):
    """Prints a line of a report: what was done, and the name of its error or its result."""
    print(f'{what}\t{name(result) if isinstance(result, (Exception, type)) else result}', flush=True)
