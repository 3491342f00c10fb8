package filecache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
)

// strictFS is real files of which at most so many may be open, and which knows what a cache must not do to them: close one with bytes that no sync covers, or
// one that is in use.
type strictFS struct {
	*osfs.FS
	mu      sync.Mutex
	max     int // descriptors the system has; 0: enough
	open    int
	failed  string
	files   map[*strictFile]bool
	closing bool // the user of the cache closes: anything may be closed
}

type strictFile struct {
	vfs.File
	fs    *strictFS
	dirty bool
	users int
}

func (s *strictFS) wrap(path string, open func(string) (vfs.File, error)) (vfs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.max > 0 && s.open >= s.max {
		return nil, fmt.Errorf("open %s: %w", path, vfs.ErrTooMany)
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	s.open++
	strict := &strictFile{File: f, fs: s}
	if s.files == nil {
		s.files = map[*strictFile]bool{}
	}
	s.files[strict] = true
	return strict, nil
}

func (s *strictFS) Open(path string) (vfs.File, error)   { return s.wrap(path, s.FS.Open) }
func (s *strictFS) Create(path string) (vfs.File, error) { return s.wrap(path, s.FS.Create) }

func (f *strictFile) set(change func()) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	change()
}

func (f *strictFile) WriteAt(bufs [][]byte, off int64) (int64, error) {
	f.set(func() { f.dirty = true; f.users++ })
	defer f.set(func() { f.users-- })
	return f.File.WriteAt(bufs, off)
}

func (f *strictFile) Truncate(size int64) error {
	f.set(func() { f.dirty = true })
	return f.File.Truncate(size)
}

func (f *strictFile) ReadAt(p []byte, off int64) (int, error) {
	f.set(func() { f.users++ })
	defer f.set(func() { f.users-- })
	return f.File.ReadAt(p, off)
}

func (f *strictFile) SyncData() error {
	f.set(func() { f.dirty = false })
	return f.File.SyncData()
}

func (s *strictFS) SyncAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := range s.files { // any order: each for itself
		f.dirty = false
	}
	return nil
}

func (f *strictFile) Hold() (uintptr, bool) {
	f.set(func() { f.users++ })
	return f.File.Hold()
}

func (f *strictFile) Drop() { f.set(func() { f.users-- }) }

func (f *strictFile) Close() error {
	f.set(func() {
		f.fs.open--
		delete(f.fs.files, f)
		if f.dirty && !f.fs.closing {
			f.fs.failed = "a file was closed with bytes that no sync covers"
		}
		if f.users > 0 {
			f.fs.failed = "a file was closed while it was in use"
		}
	})
	return f.File.Close()
}

// pair is one file, through the cache and without it.
type pair struct {
	cached, plain vfs.File
	holds         int
}

// model drives the cache and a plain file system with the same calls.
type model struct {
	under  *strictFS
	cache  *FS
	plain  *osfs.FS
	files  []*pair
	limit  int
	drawn  int
	failed func(string, ...any)
}

func (m *model) both(t *rapid.T, do func(vfs.FS) error) bool {
	got, want := do(m.cache), do(m.plain)
	for _, kind := range []error{vfs.ErrNotExist, vfs.ErrExist} {
		if errors.Is(got, kind) != errors.Is(want, kind) {
			t.Fatalf("the cache says %v, the plain file system %v", got, want)
		}
	}
	if (got == nil) != (want == nil) {
		t.Fatalf("the cache says %v, the plain file system %v", got, want)
	}
	return got == nil
}

func (m *model) path(t *rapid.T) string {
	return rapid.SampledFrom([]string{"d0/", "d1/", "d2/", ""}).Draw(t, "dir") + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
}

func (m *model) open(t *rapid.T, create bool) {
	path := m.path(t)
	p := new(pair)
	if m.both(t, func(fs vfs.FS) (err error) {
		f := &p.plain
		if fs == vfs.FS(m.cache) {
			f = &p.cached
		}
		if create {
			*f, err = fs.Create(path)
		} else {
			*f, err = fs.Open(path)
		}
		return err
	}) {
		m.files = append(m.files, p)
	}
}

func (m *model) some(t *rapid.T) *pair {
	if len(m.files) == 0 {
		t.Skip("no files")
	}
	return rapid.SampledFrom(m.files).Draw(t, "file")
}

func (m *model) write(t *rapid.T) {
	p := m.some(t)
	m.drawn++
	bufs, off := [][]byte{fmt.Appendf(nil, "written %d;", m.drawn), []byte("more")}, int64(rapid.IntRange(0, 40).Draw(t, "off"))
	for _, f := range []vfs.File{p.cached, p.plain} {
		if _, err := f.WriteAt(bufs, off); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) check(t *rapid.T) {
	if m.under.failed != "" {
		t.Fatal(m.under.failed)
	}
	s := m.cache.Stats()
	if int(s.Open) != m.under.open || int(s.Files) != len(m.files) {
		t.Fatalf("%+v, but %d are open of %d", s, m.under.open, len(m.files))
	}
	idle := 0
	for _, p := range m.files {
		f := p.cached.(*File)
		dirty := f.changes != f.synced || f.spoiled
		if open := f.file != nil; open && !dirty && f.users == 0 && f.node != nil {
			idle++
		} else if !open && (dirty || f.users > 0 || f.node == nil) {
			t.Fatalf("a file that must stay open is closed: %+v", f)
		}
	}
	if int(s.Open) > m.limit && idle > 0 {
		t.Fatalf("%d of at most %d are open, and %d of them idle", s.Open, m.limit, idle)
	}
	m.cache.mu.Lock()
	defer m.cache.mu.Unlock()
	m.cache.root.checkTree(t, &m.cache.root)
}

func (n *node) checkTree(t *rapid.T, root *node) {
	if n != root && len(n.files)+len(n.children) == 0 {
		t.Fatalf("node %q holds nothing", n.path())
	}
	for name, child := range n.children { // any order: each for itself
		if child.parent != n || child.name != name || root.find(child.path()) != child {
			t.Fatalf("node %q is not where it says", child.path())
		}
		child.checkTree(t, root)
	}
}

// compare reads all of a file both ways.
func (p *pair) compare(t *rapid.T) {
	want, _ := p.plain.Size()
	if size, err := p.cached.Size(); err != nil || size != want {
		t.Fatalf("size %d, %v, want %d", size, err, want)
	}
	a, b := make([]byte, want+1), make([]byte, want+1)
	n1, err1 := p.cached.ReadAt(a, 0)
	n2, err2 := p.plain.ReadAt(b, 0)
	if n1 != n2 || err1 != io.EOF || err2 != io.EOF || !bytes.Equal(a, b) {
		t.Fatalf("reads %q, %v, want %q, %v", a[:n1], err1, b[:n2], err2)
	}
}

func TestCacheAgainstPlainFiles(t *testing.T) {
	root := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		top := osfs.New(root)
		for _, dir := range []string{fmt.Sprintf("%d", runs), fmt.Sprintf("%d/cached", runs), fmt.Sprintf("%d/plain", runs)} {
			if err := top.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		m := &model{under: &strictFS{FS: osfs.New(fmt.Sprintf("%s/%d/cached", root, runs))}, plain: osfs.New(fmt.Sprintf("%s/%d/plain", root, runs)),
			limit: rapid.IntRange(1, 4).Draw(t, "limit")}
		m.cache = New(m.under, Limits{Files: m.limit})
		dirs := []string{"d0", "d1", "d2"}
		for _, d := range dirs[:2] {
			m.both(t, func(fs vfs.FS) error { return fs.Mkdir(d) })
		}
		defer func() {
			m.under.closing = true
			for _, p := range m.files {
				for range p.holds {
					p.cached.Drop()
				}
				_, _ = p.cached.Close(), p.plain.Close()
			}
			if m.under.open != 0 {
				t.Fatalf("%d descriptors stay open", m.under.open)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"":       m.check,
			"create": func(t *rapid.T) { m.open(t, true) },
			"open":   func(t *rapid.T) { m.open(t, false) },
			"write":  m.write,
			"read":   func(t *rapid.T) { m.some(t).compare(t) },
			"readall": func(t *rapid.T) {
				for _, p := range m.files {
					p.compare(t)
				}
			},
			"cut": func(t *rapid.T) {
				p, size := m.some(t), int64(rapid.IntRange(0, 60).Draw(t, "size"))
				if err := errors.Join(p.cached.Truncate(size), p.plain.Truncate(size)); err != nil {
					t.Fatal(err)
				}
			},
			"sync": func(t *rapid.T) {
				if err := m.some(t).cached.SyncData(); err != nil {
					t.Fatal(err)
				}
			},
			"syncall": func(t *rapid.T) {
				if err := m.cache.SyncAll(); err != nil {
					t.Fatal(err)
				}
			},
			"move": func(t *rapid.T) {
				from, to := rapid.SampledFrom(dirs).Draw(t, "from"), rapid.SampledFrom(dirs).Draw(t, "to")
				m.both(t, func(fs vfs.FS) error { return fs.Rename(from, to) })
			},
			"rename": func(t *rapid.T) {
				from, to := m.path(t), m.path(t)
				m.both(t, func(fs vfs.FS) error { return fs.Rename(from, to) })
			},
			"remove": func(t *rapid.T) {
				path := m.path(t)
				m.both(t, func(fs vfs.FS) error { return fs.Remove(path) })
			},
			"rmdir": func(t *rapid.T) {
				dir := rapid.SampledFrom(dirs).Draw(t, "dir")
				m.both(t, func(fs vfs.FS) error { return fs.Remove(dir) })
			},
			"mkdir": func(t *rapid.T) {
				dir := rapid.SampledFrom(dirs).Draw(t, "dir")
				m.both(t, func(fs vfs.FS) error { return fs.Mkdir(dir) })
			},
			"hold": func(t *rapid.T) {
				p := m.some(t)
				if _, ok := p.cached.Hold(); !ok {
					t.Fatal("no descriptor")
				}
				p.holds++
			},
			"drop": func(t *rapid.T) {
				if p := m.some(t); p.holds > 0 {
					p.cached.Drop()
					p.holds--
				}
			},
			"close": func(t *rapid.T) {
				p := m.some(t)
				for range p.holds {
					p.cached.Drop()
				}
				m.under.closing = true
				if err := errors.Join(p.cached.Close(), p.plain.Close()); err != nil {
					t.Fatal(err)
				}
				m.under.closing = false
				if p.cached.Close() == nil {
					t.Fatal("closed twice")
				}
				for i := range m.files {
					if m.files[i] == p {
						m.files = append(m.files[:i], m.files[i+1:]...)
						break
					}
				}
			},
		})
	})
}

func newCache(t *testing.T, max, limit int) (*strictFS, *FS) {
	under := &strictFS{FS: osfs.New(t.TempDir()), max: max}
	return under, New(under, Limits{Files: limit, Maps: 2})
}

func put(t *testing.T, f vfs.File, text string) {
	t.Helper()
	if _, err := f.WriteAt([][]byte{[]byte(text)}, 0); err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, f vfs.File, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != text {
		t.Fatalf("reads %q, %v, want %q", got, err, text)
	}
}

// The system has fewer descriptors than the cache believes: idle ones are closed and the call is made again. When none is idle the call fails, and a removal
// costs the file that could not be kept, not the removal.
func TestWhenDescriptorsRunOut(t *testing.T) {
	under, fs := newCache(t, 3, 100)
	var files []vfs.File
	for i := range 10 {
		f, err := fs.Create(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		put(t, f, fmt.Sprint("file ", i))
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for i, f := range files {
		wants(t, f, fmt.Sprint("file ", i))
	}
	for _, f := range files[:3] {
		put(t, f, "FILE")
	}
	if _, err := files[3].ReadAt(make([]byte, 1), 0); !errors.Is(err, vfs.ErrTooMany) {
		t.Fatalf("with all descriptors unsynced: %v", err)
	}
	if err := fs.Remove("3"); err != nil {
		t.Fatal(err)
	}
	if err := files[0].SyncData(); err != nil {
		t.Fatal(err)
	}
	wants(t, files[4], "file 4")
	if _, err := files[3].ReadAt(make([]byte, 1), 0); !errors.Is(err, vfs.ErrTooMany) {
		t.Fatalf("a removed file that could not be kept: %v", err)
	}
	if s := fs.Stats(); s.Full == 0 || under.failed != "" {
		t.Fatalf("%+v %s", s, under.failed)
	}
}

// A failed sync makes a file unclean for ever, and a mapping may be stored to at any time.
func TestWhatIsNeverClosed(t *testing.T) {
	_, fs := newCache(t, 0, 1)
	mapped, _ := fs.Create("mapped")
	put(t, mapped, "memory")
	if err := mapped.SyncData(); err != nil {
		t.Fatal(err)
	}
	m, err := mapped.Map(6)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		f, err := fs.Create(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		put(t, f, "text")
		if err := f.SyncData(); err != nil {
			t.Fatal(err)
		}
	}
	if s := fs.Stats(); s.Open != 1 || s.Maps != 1 {
		t.Fatalf("%+v, want the mapped file open and no other", s)
	}
	again, _ := fs.Open("mapped")
	if _, err := again.Map(6); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Map(6); !errors.Is(err, vfs.ErrTooMany) {
		t.Fatalf("the third mapping of two: %v", err)
	}
	if err := m.Unmap(); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Map(6); err != nil {
		t.Fatal(err)
	}
}

// TestManyHands has readers, and one writer who writes, syncs, moves folders and removes files, at files each of which holds nothing but its own number.
func TestManyHands(t *testing.T) {
	under, fs := newCache(t, 0, 3)
	const folders, each = 3, 4
	var files []vfs.File
	name := map[int]string{}
	for d := range folders {
		name[d] = fmt.Sprint("d", d)
		if err := fs.Mkdir(name[d]); err != nil {
			t.Fatal(err)
		}
		for i := range each {
			f, err := fs.Create(fmt.Sprintf("%s/%d", name[d], i))
			if err != nil {
				t.Fatal(err)
			}
			put(t, f, string(bytes.Repeat([]byte{byte(len(files))}, 1000)))
			files = append(files, f)
		}
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for r := range 3 {
		readers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 1))
			p := make([]byte, 1000)
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := rng.IntN(len(files))
				if fd, ok := files[i].Hold(); !ok || fd == 0 {
					t.Errorf("no descriptor of %d", i)
				}
				if _, err := files[i].ReadAt(p, 0); err != nil || len(bytes.Trim(p, string([]byte{byte(i)}))) > 0 {
					t.Errorf("file %d: %v, or bytes of another", i, err)
				}
				files[i].Drop()
			}
		})
	}
	rng := rand.New(rand.NewPCG(7, 1))
	removed := map[string]bool{}
	for step := range 3000 {
		i := rng.IntN(len(files))
		d, path := i/each, fmt.Sprintf("%s/%d", name[i/each], i%each)
		var err error
		switch rng.IntN(9) {
		case 8:
			err = fs.SyncAll()
		case 0:
			to := fmt.Sprintf("moved%d", step)
			if err = fs.Rename(name[d], to); err == nil {
				name[d] = to
			}
		case 1: // removed, and another of its name comes
			if rng.IntN(4) == 0 && !removed[fmt.Sprint(i)] {
				removed[fmt.Sprint(i)] = true
				err = fs.Remove(path)
				if f, createErr := fs.Create(path); createErr == nil {
					put(t, f, "another file")
					err = errors.Join(err, f.SyncData(), f.Close())
				}
			}
		case 2, 3:
			_, err = files[i].WriteAt([][]byte{{byte(i)}, {byte(i)}}, int64(rng.IntN(900)))
		default:
			err = files[i].SyncData()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
	if s := fs.Stats(); under.failed != "" || s.Reopened == 0 || s.Evicted == 0 {
		t.Fatalf("%s %+v", under.failed, s)
	}
	under.closing = true
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if under.open != 0 {
		t.Fatalf("%d descriptors stay open", under.open)
	}
}

func BenchmarkReadAt(b *testing.B) {
	for _, name := range []string{"plain", "cached"} {
		b.Run(name, func(b *testing.B) {
			var fs vfs.FS = osfs.New(b.TempDir())
			if name == "cached" {
				fs = New(fs, Limits{Files: 100})
			}
			f, err := fs.Create("a")
			if err != nil {
				b.Fatal(err)
			}
			if _, err := f.WriteAt([][]byte{make([]byte, 4096)}, 0); err != nil {
				b.Fatal(err)
			}
			p := make([]byte, 4096)
			for b.Loop() {
				_, _ = f.ReadAt(p, 0)
			}
		})
	}
}
