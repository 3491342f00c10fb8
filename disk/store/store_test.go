package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/vfs"
	"odradek/disk/vfs/osfs"
)

// slowFS is real files whose syncs take a while and may be told to fail.
type slowFS struct {
	vfs.FS
	delay time.Duration
	mu    sync.Mutex
	fail  bool
	syncs int
	held  chan struct{} // what the sync of a slot waits for; nil: nothing
}

type heldFile struct {
	vfs.File
	until chan struct{}
}

func (f *heldFile) SyncData() error {
	<-f.until
	return f.File.SyncData()
}

type slowFile struct {
	vfs.File
	fs *slowFS
}

func (f *slowFS) Create(path string) (vfs.File, error) {
	file, err := f.FS.Create(path)
	if err == nil && f.held != nil && strings.HasPrefix(path, "slot") {
		return &heldFile{file, f.held}, nil
	}
	if err != nil || !strings.HasSuffix(path, ".log") {
		return file, err
	}
	return &slowFile{File: file, fs: f}, nil
}

func (f *slowFile) SyncData() error {
	time.Sleep(f.fs.delay)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.syncs++
	if f.fs.fail {
		return fmt.Errorf("fdatasync: %w", vfs.ErrIO)
	}
	return f.File.SyncData()
}

// sink collects events and lets a test wait for one.
type sink struct {
	t    *testing.T
	mu   sync.Mutex
	cond *sync.Cond
	all  []core.Event
}

func newSink(t *testing.T) *sink {
	k := &sink{t: t}
	k.cond = sync.NewCond(&k.mu)
	return k
}

func (k *sink) complete(events []core.Event) {
	k.mu.Lock()
	k.all = append(k.all, events...)
	k.mu.Unlock()
	k.cond.Broadcast()
}

// wait returns the first event that is, and fails the test if none comes.
func (k *sink) wait(what string, is func(*core.Event) bool) core.Event {
	k.t.Helper()
	late := time.AfterFunc(10*time.Second, func() { k.complete([]core.Event{{Kind: core.EvTimeout}}) })
	defer late.Stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	for at := 0; ; k.cond.Wait() {
		for ; at < len(k.all); at++ {
			if is(&k.all[at]) {
				return k.all[at]
			}
			if k.all[at].Kind == core.EvTimeout {
				k.t.Fatalf("waited in vain for %s", what)
			}
		}
	}
}

func (k *sink) truncated(id stream.ID, gen stream.Generation, end record.Offset) {
	k.t.Helper()
	k.wait(fmt.Sprintf("truncated %d", end), func(ev *core.Event) bool {
		return ev.Kind == core.EvTruncated && ev.Stream == id && ev.Generation == gen && ev.Opened.LogEnd == end
	})
}

func (k *sink) durable(id stream.ID, gen stream.Generation, upTo record.Offset) {
	k.t.Helper()
	k.wait(fmt.Sprintf("durable %d", upTo), func(ev *core.Event) bool {
		return ev.Kind == core.EvDurable && ev.Stream == id && ev.Generation == gen && ev.UpTo >= upTo
	})
}

func sid(n int) stream.ID { return stream.ID{Topic: record.UUID{15: byte(n + 10)}} }

func batch(t *testing.T, base record.Offset, n int) record.Batch {
	var b record.Builder
	b.Reset(record.PlainSpec(0))
	for range n {
		b.Append(1000, nil, []byte("value"), nil)
	}
	built, err := b.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	built.BaseOffset, built.LeaderEpoch = base, 1
	built.Data = append([]byte(nil), built.Data...)
	return built
}

func appendOp(t *testing.T, id stream.ID, base record.Offset, n int, sync bool) core.DiskOp {
	return core.DiskOp{Kind: core.DiskAppend, Stream: id, Batch: batch(t, base, n), Sync: sync}
}

func createOp(id stream.ID, topic string) core.DiskOp {
	return core.DiskOp{Kind: core.DiskCreate, Stream: id, Topic: topic}
}

func open(t *testing.T, fs vfs.FS, k *sink) (*Store, []Recovered) {
	t.Helper()
	s, found, err := Open(Options{Dirs: []*segment.Dir{segment.OpenDir(fs, 0)}, Complete: k.complete})
	if err != nil {
		t.Fatal(err)
	}
	return s, found
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// Ten produces that come while one sync is under way share the next one.
func TestTenProducesShareSyncs(t *testing.T) {
	k := newSink(t)
	s, _ := open(t, &slowFS{FS: osfs.New(t.TempDir()), delay: 30 * time.Millisecond}, k)
	id := sid(0)
	s.Do([]core.DiskOp{createOp(id, "orders"), appendOp(t, id, 0, 1, true)}, nil, nil)
	k.durable(id, 0, 1)
	before := s.Stats()
	for i := range 10 {
		s.Do([]core.DiskOp{appendOp(t, id, record.Offset(1+i), 1, true)}, nil, nil)
		time.Sleep(time.Millisecond)
	}
	k.durable(id, 0, 11)
	st := s.Stats()
	if rounds := st.Rounds - before.Rounds; rounds > 3 || st.Batches != 11 || st.Widest < 5 {
		t.Errorf("%d rounds for ten produces; %+v", rounds, st)
	}
	closeStore(t, s)
}

// Everything survives a stop, relaxed streams too; FIFO holds between inline and queued appends (segment refuses offsets that fall).
func TestManyStreamsAndRestart(t *testing.T) {
	fs := osfs.New(t.TempDir())
	k := newSink(t)
	s, _ := open(t, fs, k)
	const streams, batches = 20, 30
	for i := range streams {
		s.Do([]core.DiskOp{createOp(sid(i), fmt.Sprint("topic", i))}, nil, nil)
	}
	for b := range batches {
		var ops []core.DiskOp
		for i := range streams {
			ops = append(ops, appendOp(t, sid(i), record.Offset(3*b), 3, (i+b)%3 == 0))
			if b%10 == 9 {
				ops = append(ops, core.DiskOp{Kind: core.DiskRoll, Stream: sid(i), Base: record.Offset(3*b + 3)})
			}
		}
		s.Do(ops, []core.Store{{Slot: core.Slot{Name: "slot"}, Version: uint64(b + 1), Bytes: []byte(fmt.Sprint("text", b))}}, nil)
	}
	for i := range streams {
		k.wait("written", func(ev *core.Event) bool {
			return ev.Kind == core.EvWritten && ev.Stream == sid(i) && ev.UpTo == 3*batches
		})
	}
	k.wait("stored", func(ev *core.Event) bool { return ev.Kind == core.EvStored && ev.Version == batches })
	closeStore(t, s)
	k.mu.Lock()
	for _, ev := range k.all {
		if ev.Kind == core.EvIOFailed {
			t.Fatal(ev.Reason)
		}
	}
	k.mu.Unlock()

	k = newSink(t)
	s, found := open(t, fs, k)
	if len(found) != streams {
		t.Fatalf("%d streams found", len(found))
	}
	for _, f := range found {
		if f.Opened.LogEnd != 3*batches || len(f.Opened.Segments) != 4 || len(f.Opened.Lost) != 0 || f.Opened.Cut != 0 || f.Opened.Damage != "" {
			t.Fatalf("%+v", f.Opened)
		}
	}
	if text, err := s.dirs[0].dir.ReadSlot("slot"); err != nil || string(text) != "text29" {
		t.Fatalf("slot %q %v", text, err)
	}
	s.Do(nil, nil, []core.Job{
		{Kind: core.JobLoad, ID: 1, Stream: sid(3), From: 4},
		{Kind: core.JobLocate, ID: 2, Budget: 1, Locate: []core.LocatePartition{
			{Stream: sid(1), From: 90, Limit: 90, MaxBytes: 1}, {Stream: sid(2), From: 0, Limit: 90, MaxBytes: 1}, {Stream: sid(4), From: 0, Limit: 90, MaxBytes: 1},
			{Stream: sid(99), From: 0, Limit: 90, MaxBytes: 1},
		}},
	})
	load := k.wait("loaded", func(ev *core.Event) bool { return ev.Kind == core.EvLoaded && ev.Job == 1 })
	if load.Loaded.Err != 0 || len(load.Loaded.Bytes) == 0 {
		t.Errorf("loaded %+v", load.Loaded)
	}
	loc := k.wait("located", func(ev *core.Event) bool { return ev.Kind == core.EvLocated && ev.Job == 2 }).Located.Partitions
	if len(loc[0].Extents) != 0 || len(loc[1].Extents) != 1 || len(loc[2].Extents) != 0 || loc[3].Err == 0 {
		t.Errorf("located %+v", loc)
	}
	closeStore(t, s)
}

// A pinned file reads on under deletion; it closes with the last release.
func TestPins(t *testing.T) {
	k := newSink(t)
	s, _ := open(t, osfs.New(t.TempDir()), k)
	id := sid(0)
	first := batch(t, 0, 2)
	want := append([]byte(nil), first.Data...)
	s.Do([]core.DiskOp{createOp(id, "orders"), {Kind: core.DiskAppend, Stream: id, Batch: first, Sync: true}}, nil, nil)
	k.durable(id, 0, 2)
	x := stream.Extent{Stream: id, Base: 0, Len: first.Size}
	p, err := s.Pin(x)
	if err != nil {
		t.Fatal(err)
	}
	q, _ := s.Pin(x)
	s.Do([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, All: true}, createOp(sid(1), "orders"), appendOp(t, sid(1), 0, 1, true)}, nil, nil)
	k.durable(sid(1), 0, 1)
	if _, err := s.Pin(x); err == nil {
		t.Error("a deleted segment can be pinned")
	}
	q.Release()
	got := make([]byte, p.Len)
	if _, err := p.File.ReadAt(got, p.Off); err != nil || string(got[16:]) != string(want[16:]) {
		t.Errorf("pinned file: %v", err)
	}
	p.Release()
	closeStore(t, s) // returns when everything is closed that nobody pins
	if _, err := p.File.ReadAt(got, p.Off); err == nil {
		t.Error("the file was not closed with the last pin")
	}
}

// A Truncate that comes while a round is in flight waits for it, and what comes after waits for the Truncate.
func TestTruncateWaitsForTheRound(t *testing.T) {
	k := newSink(t)
	s, _ := open(t, &slowFS{FS: osfs.New(t.TempDir()), delay: 20 * time.Millisecond}, k)
	id := sid(0)
	s.Do([]core.DiskOp{createOp(id, "orders"), appendOp(t, id, 0, 3, false), appendOp(t, id, 3, 3, true)}, nil, nil)
	k.wait("written", func(ev *core.Event) bool { return ev.Kind == core.EvWritten && ev.UpTo == 6 })
	for gen := range stream.Generation(5) {
		again, relaxed := appendOp(t, id, 3, 3, true), appendOp(t, id, 6, 1, false)
		again.Generation, relaxed.Generation = gen+1, gen+1
		s.Do([]core.DiskOp{{Kind: core.DiskTruncate, Stream: id, To: 3, Generation: gen + 1}, again}, nil, nil)
		s.Do([]core.DiskOp{relaxed}, nil, nil)
		k.truncated(id, gen+1, 3)
	}
	k.durable(id, 5, 6)
	k.wait("written", func(ev *core.Event) bool { return ev.Kind == core.EvWritten && ev.UpTo == 7 && ev.Generation == 5 })
	closeStore(t, s)
}

// Appends, relaxed and durable, do not wait for a small file; files are stored in the order asked.
func TestAppendsPassStores(t *testing.T) {
	k := newSink(t)
	fs := &slowFS{FS: osfs.New(t.TempDir()), held: make(chan struct{})}
	s, _ := open(t, fs, k)
	id := sid(0)
	var stores []core.Store
	for version := range uint64(3) {
		stores = append(stores, core.Store{Slot: core.Slot{Name: "slot"}, Version: version + 1, Bytes: []byte{'0' + byte(version)}})
	}
	s.Do([]core.DiskOp{createOp(id, "orders")}, stores, nil)
	s.Do([]core.DiskOp{appendOp(t, id, 0, 1, true)}, nil, nil)
	k.durable(id, 0, 1)
	s.Do([]core.DiskOp{appendOp(t, id, 1, 1, false)}, nil, nil)
	k.wait("written", func(ev *core.Event) bool { return ev.Kind == core.EvWritten && ev.UpTo == 2 })
	close(fs.held)
	k.wait("stored", func(ev *core.Event) bool { return ev.Kind == core.EvStored && ev.Version == 3 })
	closeStore(t, s)
	var versions []uint64
	for _, ev := range k.all {
		if ev.Kind == core.EvStored {
			versions = append(versions, ev.Version)
		}
	}
	if !slices.Equal(versions, []uint64{1, 2, 3}) {
		t.Errorf("stored %v", versions)
	}
}

// After a failed sync nothing more is promised, and Close says so.
func TestFailedSync(t *testing.T) {
	fs := &slowFS{FS: osfs.New(t.TempDir())}
	k := newSink(t)
	s, _ := open(t, fs, k)
	id := sid(0)
	s.Do([]core.DiskOp{createOp(id, "orders"), appendOp(t, id, 0, 1, true)}, nil, nil)
	k.durable(id, 0, 1)
	fs.mu.Lock()
	fs.fail = true
	fs.mu.Unlock()
	s.Do([]core.DiskOp{appendOp(t, id, 1, 1, true)}, nil, nil)
	k.wait("failure", func(ev *core.Event) bool { return ev.Kind == core.EvIOFailed && ev.Dir == 0 && ev.Stream == id })
	fs.mu.Lock()
	fs.fail = false
	fs.mu.Unlock()
	s.Do([]core.DiskOp{appendOp(t, id, 2, 1, true)}, nil, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, vfs.ErrIO) {
		t.Errorf("close: %v", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, ev := range k.all {
		if ev.Kind == core.EvDurable && ev.UpTo > 1 {
			t.Errorf("durable up to %d after a failed sync", ev.UpTo)
		}
	}
}

// A clean stop syncs relaxed streams too.
func TestCloseSyncsEverything(t *testing.T) {
	fs := &slowFS{FS: osfs.New(t.TempDir())}
	k := newSink(t)
	s, _ := open(t, fs, k)
	s.Do([]core.DiskOp{createOp(sid(0), "orders"), appendOp(t, sid(0), 0, 1, false), createOp(sid(1), "pay"), appendOp(t, sid(1), 0, 1, false)}, nil, nil)
	closeStore(t, s)
	if fs.syncs != 2 {
		t.Errorf("%d files synced, want 2", fs.syncs)
	}
}

func TestFreeSpace(t *testing.T) {
	k := newSink(t)
	s, _ := open(t, osfs.New(t.TempDir()), k)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { s.PollFree(ctx, time.Hour); close(ended) }()
	if ev := k.wait("space", func(ev *core.Event) bool { return ev.Kind == core.EvSpace }); ev.Free <= 0 {
		t.Errorf("free %d", ev.Free)
	}
	cancel()
	<-ended
	closeStore(t, s)
}

// Readers look offsets and times up while cuts and deletions take indexes away from under them: nobody reads memory that was given back.
func TestReadersBesideCuts(t *testing.T) {
	k := newSink(t)
	s, err := openSmall(t, osfs.New(t.TempDir()), k)
	if err != nil {
		t.Fatal(err)
	}
	id := sid(0)
	s.Do([]core.DiskOp{createOp(id, "orders")}, nil, nil)
	base := record.Offset(0)
	for gen := range stream.Generation(60) {
		var ops []core.DiskOp
		for i := range 30 {
			op := appendOp(t, id, base+record.Offset(i), 1, i == 29)
			op.Generation = gen
			ops = append(ops, op)
			if i%10 == 9 {
				ops = append(ops, core.DiskOp{Kind: core.DiskRoll, Stream: id, Base: base + record.Offset(i) + 1})
			}
		}
		s.Do(ops, nil, nil)
		var jobs []core.Job
		for i := range 40 {
			q := core.LocatePartition{Stream: id, From: base + record.Offset(i%30), Limit: base + 30, MaxBytes: 200, ByTime: i%4 == 0, Timestamp: 1000}
			jobs = append(jobs, core.Job{Kind: core.JobLocate, ID: core.JobID(int(gen)*100 + i + 1), Budget: 1000, Locate: []core.LocatePartition{q}})
		}
		s.Do(nil, nil, jobs)
		k.durable(id, gen, base+30)
		to := base + 15
		s.Do([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, To: base + 5}, {Kind: core.DiskTruncate, Stream: id, To: to, Generation: gen + 1}}, nil, jobs)
		k.truncated(id, gen+1, to)
		base = to
	}
	s.Do([]core.DiskOp{{Kind: core.DiskDelete, Stream: id, All: true}}, nil, nil)
	closeStore(t, s)
	for id, of := range s.streams {
		if len(of.maps) > 0 {
			t.Errorf("%d indexes of stream %s are still mapped", len(of.maps), id)
		}
	}
}

func openSmall(t *testing.T, fs vfs.FS, k *sink) (*Store, error) {
	t.Helper()
	d := segment.OpenDirWith(fs, 0, segment.Options{IndexInterval: 100, IndexBytes: 8192})
	s, _, err := Open(Options{Dirs: []*segment.Dir{d}, Complete: k.complete})
	return s, err
}

// Four hundred partitions with an append each: their indexes are set aside, but take neither disk nor memory.
func TestIdlePartitionsTakeNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a thousand files")
	}
	k := newSink(t)
	root := t.TempDir()
	s, _ := open(t, osfs.New(root), k)
	var ops []core.DiskOp
	const partitions = 400
	for i := range partitions {
		id := stream.ID{Topic: record.UUID{14: byte(i >> 8), 15: byte(i)}}
		ops = append(ops, createOp(id, fmt.Sprintf("t%d", i)))
		if i < partitions-1 {
			ops = append(ops, appendOp(t, id, 0, 1, false))
		}
	}
	before := resident(t)
	s.Do(ops, nil, nil)
	k.wait("the last written", func(ev *core.Event) bool { return ev.Kind == core.EvWritten && ev.Stream == ops[len(ops)-2].Stream })
	if grown := resident(t) - before; grown > 32<<20 {
		t.Errorf("%d MiB more are resident", grown>>20)
	}
	names, err := os.ReadDir(fmt.Sprintf("%s/t%d-0", root, partitions-1))
	if err != nil || len(names) != 1 {
		t.Errorf("a partition without an append has %v, %v", names, err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(root+"/t0-0/00000000000000000000.index", &st); err != nil || st.Size != 10<<20 || st.Blocks*512 > 8192 {
		t.Errorf("index of %d bytes takes %d, %v", st.Size, st.Blocks*512, err)
	}
	closeStore(t, s)
	if err := syscall.Stat(root+"/t0-0/00000000000000000000.index", &st); err != nil || st.Size != 0 {
		t.Errorf("after the close the index has %d bytes, %v", st.Size, err)
	}
}

// resident returns the bytes of memory that the process holds.
func resident(t *testing.T) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here")
	}
	var size, rss int64
	if _, err := fmt.Sscan(string(text), &size, &rss); err != nil {
		t.Fatal(err)
	}
	return rss * int64(os.Getpagesize())
}
