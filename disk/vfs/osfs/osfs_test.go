package osfs

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"odradek/disk/vfs"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one that is %v", err, want)
	}
}

func TestVectorsLongerThanOneCall(t *testing.T) {
	f, err := New(t.TempDir()).Create("a")
	check(t, err)
	var bufs [][]byte
	var want []byte
	for i := range 3*iovecMax + 7 {
		b := bytes.Repeat([]byte{byte(i)}, i%5) // empty buffers too
		bufs, want = append(bufs, b), append(want, b...)
	}
	n, err := f.WriteAt(bufs, 3)
	check(t, err)
	if n != int64(len(want)) {
		t.Fatalf("%d bytes written, want %d", n, len(want))
	}
	got := make([]byte, len(want))
	_, err = f.ReadAt(got, 3)
	check(t, err)
	if !bytes.Equal(got, want) {
		t.Fatal("other bytes read than written")
	}
	n2, err := f.ReadAt(got, int64(len(want)))
	if n2 != 3 || err != io.EOF {
		t.Fatalf("read over the end: %d %v, want 3 and io.EOF", n2, err)
	}
	check(t, f.SyncData())
	check(t, f.Truncate(5))
	if size, _ := f.Size(); size != 5 {
		t.Fatalf("size %d after Truncate(5)", size)
	}
	check(t, f.Close())
	wants(t, f.Close(), vfs.ErrIO)
}

// A short write may end inside a buffer or at the end of one; what follows must start exactly there.
func TestAdvance(t *testing.T) {
	bufs := [][]byte{[]byte("abc"), nil, []byte("de"), []byte("f")}
	for n := range 7 {
		rest, skip := advance(bufs, 0, n, len(bufs))
		var got []byte
		for i, b := range rest {
			if i == 0 {
				b = b[skip:]
			}
			got = append(got, b...)
		}
		if string(got) != "abcdef"[n:] {
			t.Errorf("after %d bytes %q is left", n, got)
		}
	}
	if rest, skip := advance(bufs, 1, 2, 1); len(rest) != 3 || skip != 0 {
		t.Errorf("rest of a broken buffer: %d buffers, skip %d", len(rest), skip)
	}
}

func TestNames(t *testing.T) {
	fs := New(t.TempDir())
	check(t, fs.Mkdir("d"))
	wants(t, fs.Mkdir("d"), vfs.ErrExist)
	for _, name := range []string{"d/c", "d/a", "d/b"} {
		f, err := fs.Create(name)
		check(t, err)
		check(t, f.Close())
	}
	_, err := fs.Create("d/a")
	wants(t, err, vfs.ErrExist)
	_, err = fs.Open("d/x")
	wants(t, err, vfs.ErrNotExist)
	_, err = fs.List("x")
	wants(t, err, vfs.ErrNotExist)
	wants(t, fs.Remove("d"), vfs.ErrExist)
	check(t, fs.Rename("d/c", "d/a"))
	check(t, fs.SyncDir("d"))
	wants(t, fs.SyncDir("x"), vfs.ErrNotExist)
	names, err := fs.List("d")
	check(t, err)
	if !slices.Equal(names, []string{"a", "b"}) {
		t.Fatalf("names %v", names)
	}
	check(t, fs.Rename("d", "e"))
	f, err := fs.Open("e/b")
	check(t, err)
	_, err = f.WriteAt([][]byte{[]byte("stays")}, 0)
	check(t, err)
	check(t, fs.Remove("e/b"))
	got := make([]byte, 5)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != "stays" {
		t.Fatalf("a removed file that is open reads %q, %v", got, err)
	}
	if free, err := fs.Free(); err != nil || free <= 0 {
		t.Fatalf("free %d, %v", free, err)
	}
}

func TestLock(t *testing.T) {
	fs := New(t.TempDir())
	l, err := fs.Lock(".lock")
	check(t, err)
	_, err = fs.Lock(".lock")
	wants(t, err, vfs.ErrLocked)
	check(t, l.Close())
	l, err = fs.Lock(".lock")
	check(t, err)
	check(t, l.Close())
}

func TestMapping(t *testing.T) {
	fs := New(t.TempDir())
	f, err := fs.Create("a")
	check(t, err)
	check(t, f.Truncate(10000))
	m, err := f.Map(10000)
	check(t, err)
	copy(m.Bytes()[5000:], "through memory")
	got := make([]byte, 14)
	_, err = f.ReadAt(got, 5000)
	check(t, err)
	if string(got) != "through memory" {
		t.Fatalf("the file reads %q", got)
	}
	_, err = f.WriteAt([][]byte{[]byte("by a write")}, 3)
	check(t, err)
	if string(m.Bytes()[3:13]) != "by a write" {
		t.Fatalf("the memory reads %q", m.Bytes()[3:13])
	}
	check(t, f.Truncate(5014))
	check(t, f.SyncData())
	check(t, f.Close())
	check(t, fs.Remove("a"))
	if string(m.Bytes()[5000:5014]) != "through memory" {
		t.Fatal("the memory is lost with the name")
	}
	check(t, m.Unmap())
	wants(t, m.Unmap(), vfs.ErrIO)
	f, err = fs.Create("b")
	check(t, err)
	m, err = f.Map(0)
	check(t, err)
	check(t, m.Unmap())
	check(t, f.Close())
}
