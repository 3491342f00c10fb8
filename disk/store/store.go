// Package store runs log directories in production: it moves what core decided to segment.Dir and back, and decides nothing.
//
// Each directory has three goroutines, and so has the metadata log, which lies in the first one: a commit of metadata, and the vote and snapshots beside it, wait for no
// partition's folder to be made, nor for a round over many files. The write stage takes what is queued and writes it; the store stage replaces small files; the sync stage runs one
// round after another, each over exactly what was written before it began, with no timer, while further writes go on. So everything that is written during
// one round shares the next. Appends that need no sync are written by the caller of Do, if nothing of their stream is queued. A few readers serve Locate
// and Load.
//
//	Do ─┬─ inline ────────────────────────┐
//	    └─ queue → write stage ─ BeginSync → sync stage ─┐
//	        ▲   Written ↓                   Durable ↓    │ EndSync, BeginSync, …
//	        └───────────────── leftovers ────────────────┘
//	   └─ small files → store stage → Stored
//
// Locks, in the order they may be taken: lane.dirMu (a segment.Dir), lane.queueMu, Store.mu (files and views; never held over a system call but munmap).
// Queues are not bounded here, because Do must not block: what bounds them is the bytes in flight and the requests that the connections admit
// (DESIGN §8); each queued append holds bytes of that budget.
package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
	"odradek/disk/vfs"
)

// readersCount is how many Locates and Loads run at once.
const readersCount = 4

// Options say what a Store runs on.
type Options struct {
	Dirs     []*segment.Dir // by DirID, nothing recovered yet
	Complete func([]core.Event)
	Codec    segment.Decompressor // opens compressed batches for lookups by time
	Release  func(record.FrameID) // takes back the frame of a batch that is written, or never will be; nil: batches have none
}

// Recovered is a stream that was found on disk.
type Recovered = segment.Found

// Store is the disk of a node. Do is called by one goroutine at a time; everything else by any.
type Store struct {
	dirs     []*lane // by DirID
	metadata *lane   // of the metadata log, which lies in the first directory
	lanes    []*lane // all
	complete func([]core.Event)
	codec    segment.Decompressor
	release  func(record.FrameID)

	mu      sync.Mutex
	streams map[stream.ID]*held
	handles map[vfs.File]*handle
	janitor *janitor

	jobs    jobQueue
	readers sync.WaitGroup
	lanesWG sync.WaitGroup

	fsyncs, rounds, synced, widest atomic.Int64
}

// Stats counts sync rounds since Open.
type Stats struct {
	Fsyncs  int64 // system calls of all rounds
	Rounds  int64
	Batches int64 // batches that asked for a sync and were covered by these rounds
	Widest  int64 // most batches of one round
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	return Stats{Fsyncs: s.fsyncs.Load(), Rounds: s.rounds.Load(), Batches: s.synced.Load(), Widest: s.widest.Load()}
}

// Open recovers all streams of the directories, as many at once as there are CPUs, and starts the goroutines. The caller holds the directories' locks.
// Complete is called by several goroutines, by Do's caller too; the slice is its only until it returns. After an error nothing runs.
func Open(o Options) (*Store, []Recovered, error) {
	s := &Store{complete: o.Complete, codec: o.Codec, release: o.Release, streams: map[stream.ID]*held{}, handles: map[vfs.File]*handle{}}
	s.jobs.init()
	found, err := recoverAll(o.Dirs)
	if err != nil {
		for _, d := range o.Dirs {
			d.CloseFiles()
		}
		return nil, nil, err
	}
	s.janitor = newJanitor()
	s.metadata = newLane(s, o.Dirs[0].Part(stream.Metadata))
	for _, d := range o.Dirs {
		s.dirs = append(s.dirs, newLane(s, d))
	}
	s.lanes = append([]*lane{s.metadata}, s.dirs...)
	for _, l := range s.lanes {
		l.publish(l.dir.Streams())
		s.lanesWG.Add(3)
		go l.writeStage()
		go l.syncStage()
		go l.storeStage()
	}
	for range readersCount {
		s.readers.Add(1)
		go s.read()
	}
	return s, found, nil
}

// DirError is a failure of one directory.
type DirError struct {
	Dir stream.DirID
	Err error
}

func (e *DirError) Error() string { return e.Err.Error() }
func (e *DirError) Unwrap() error { return e.Err }

// recoverAll recovers every folder of every directory in parallel and adds the logs in order of directory and name.
func recoverAll(dirs []*segment.Dir) ([]Recovered, error) {
	type task struct {
		dir    *segment.Dir
		folder segment.Folder
		log    *segment.Log
		opened *core.Opened
		err    error
	}
	var tasks []task
	for _, d := range dirs {
		folders, err := d.Folders()
		if err != nil {
			return nil, &DirError{d.ID(), err}
		}
		for _, f := range folders {
			tasks = append(tasks, task{dir: d, folder: f})
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(tasks)) {
		wg.Go(func() {
			var scratch segment.Scratch
			for i := int(next.Add(1)) - 1; i < len(tasks); i = int(next.Add(1)) - 1 {
				t := &tasks[i]
				t.log, t.opened, t.err = t.dir.Recover(t.folder, &scratch)
			}
		})
	}
	wg.Wait()
	var found []Recovered
	var errs []error
	seen := map[stream.ID]string{}
	for i := range tasks {
		t := &tasks[i]
		if t.err != nil {
			errs = append(errs, &DirError{t.dir.ID(), t.err})
			continue
		}
		if t.log == nil {
			continue
		}
		if other, ok := seen[t.log.ID()]; ok {
			errs = append(errs, fmt.Errorf("stream %s lies in two folders, %s and %s: move one away", t.log.ID(), other, t.folder.Name))
		}
		seen[t.log.ID()] = t.folder.Name
		errs = append(errs, t.dir.Add(t.log))
		found = append(found, Recovered{Stream: t.log.ID(), Opened: t.opened})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, d := range dirs {
		lost, err := d.Enlist()
		if err != nil {
			return nil, err
		}
		found = append(found, lost...)
	}
	return found, nil
}

// Do takes what a Step wants done. It copies what it keeps and blocks for no queue; appends that need no sync may be written before it returns.
func (s *Store) Do(ops []core.DiskOp, stores []core.Store, jobs []core.Job) {
	for i := range ops {
		l := s.laneOf(&ops[i])
		l.fresh = append(l.fresh, ops[i])
	}
	for i := range stores {
		l := s.laneOfSlot(&stores[i].Slot)
		l.freshStores = append(l.freshStores, stores[i])
	}
	for _, l := range s.lanes {
		if len(l.fresh)+len(l.freshStores) > 0 {
			l.submit()
		}
	}
	s.jobs.add(jobs)
}

// laneOf finds the directory of an operation's stream.
func (s *Store) laneOf(op *core.DiskOp) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.streams[op.Stream]
	if h == nil {
		h = &held{lane: s.dirs[op.Dir], files: map[record.Offset]*handle{}}
		if op.Stream == stream.Metadata {
			h.lane = s.metadata
		}
		if op.Kind == core.DiskCreate {
			s.streams[op.Stream] = h
		}
	}
	return h.lane
}

// laneOfSlot finds who replaces a small file: what lies in the metadata log's folder goes with it.
func (s *Store) laneOfSlot(slot *core.Slot) *lane {
	if slot.Dir == s.metadata.dir.ID() && strings.HasPrefix(slot.Name, core.SnapshotFolder+"/") {
		return s.metadata
	}
	return s.dirs[slot.Dir]
}

// Free returns the bytes that a directory may still take.
func (s *Store) Free(dir stream.DirID) (int64, error) { return s.dirs[dir].dir.FS().Free() }

// PollFree tells the core of every directory's free space, at once and then at each interval, until ctx ends.
func (s *Store) PollFree(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for ctx.Err() == nil { // also before the first look: it may be over before this goroutine gets to run
		for i := range s.dirs {
			dir := stream.DirID(i)
			ev := core.Event{Kind: core.EvSpace, Dir: dir}
			var err error
			if ev.Free, err = s.Free(dir); err != nil {
				ev = core.Event{Kind: core.EvIOFailed, Dir: dir, Reason: err.Error()}
			}
			s.complete([]core.Event{ev})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Close carries out what is queued, syncs everything that was written, relaxed streams too, cuts indexes to what they hold and closes the files that nobody
// pins. Do must not be called any more. A directory that has failed is a DirError. If ctx ends first, the goroutines are left to end by themselves and nothing is closed.
func (s *Store) Close(ctx context.Context) error {
	s.jobs.close()
	for _, l := range s.lanes {
		l.close()
	}
	done := make(chan struct{})
	go func() {
		s.lanesWG.Wait()
		s.readers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("closing the store: %w: not everything was synced", ctx.Err())
	}
	var errs []error
	for _, l := range s.lanes {
		l.publish(nil)
		if err := l.dir.Err(); err != nil {
			errs = append(errs, &DirError{l.dir.ID(), err})
		}
		errs = append(errs, l.dir.CloseIndexes())
	}
	errs = append(errs, s.closeHandles())
	s.janitor.end()
	return errors.Join(errs...)
}
