package segment

import (
	"errors"
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Round is one commit: the files and folders to sync, and for each stream the end that is durable then. It covers exactly what was written
// before it began. Its steps are system calls of their own and touch nothing of the Dir, so writes go on beside them.
type Round struct {
	fs      vfs.FS
	steps   []roundStep
	streams []roundStream
}

// roundStep syncs a file that is open, or one by its path, or a folder, or everything.
type roundStep struct {
	file   vfs.File
	path   string
	folder string
	all    bool
	stream int // in Round.streams
	err    error
}

type roundStream struct {
	log    *Log
	gen    stream.Generation
	upTo   record.Offset
	folder string
	moved  bool // its folder was moved aside before the round came to it

	checkpoint bool // a Checkpointed is due
	seals      bool // the log's last segment is not in it
	asked      bool // with seals: it was wanted
}

// WantAll asks that the next round cover every stream with unsynced bytes, relaxed ones too: a clean stop does.
func (d *Dir) WantAll() {
	for _, id := range d.Streams() {
		if l := d.logs[id]; len(l.dirty) > 0 || l.names {
			d.wantSync(l)
		}
	}
}

// BeginSync starts a round over the streams that asked for one; nil if none did or the directory is fenced. One round at a time: EndSync first.
func (d *Dir) BeginSync() *Round {
	if d.fenced != nil || d.round != nil || len(d.want) == 0 {
		return nil
	}
	r := &Round{fs: d.fs}
	for _, l := range d.want {
		at := len(r.streams)
		r.streams = append(r.streams, roundStream{log: l, gen: l.gen, upTo: l.next, folder: l.folder, checkpoint: l.checkpoint, seals: l.unsealed, asked: l.asked})
		files := l.dirty
		if l.unsealed {
			r.streams[at].upTo = l.last().base
			files = slices.DeleteFunc(slices.Clone(files), func(f vfs.File) bool { return f == l.last().file })
		}
		// All of the stream's dirty files, older segments too: the end counts only if everything before it does.
		for _, file := range files {
			r.steps = append(r.steps, roundStep{file: file, stream: at})
		}
		if l.checkpoint {
			for _, name := range l.unsynced {
				r.steps = append(r.steps, roundStep{path: l.folder + "/" + name, stream: at})
			}
			l.unsynced = nil
		}
		if l.names {
			r.steps = append(r.steps, roundStep{folder: l.folder, stream: at})
		}
		// What is written from here on is dirty anew.
		clear(l.dirty)
		l.dirty, l.names, l.wanted, l.asked, l.checkpoint = l.dirty[:0], false, false, false, false
		d.covered(l)
		if l.unsealed {
			d.uncovered(l)
		}
	}
	if d.syncsAll(len(r.steps)) {
		r.steps = []roundStep{{all: true}} // a failure is the directory's, whichever stream is named
	}
	clear(d.want)
	d.want = d.want[:0]
	d.round = r
	return r
}

// besideMax is how many bytes for each file of a round a SyncAll may have to write besides. With more of them it takes longer than to sync each file.
const besideMax = 32 << 10

// syncsAll decides whether one SyncAll does what so many steps would.
func (d *Dir) syncsAll(steps int) bool {
	return steps > d.options.SyncAllAbove && d.beside <= int64(steps)*besideMax && d.fs.SyncsAll()
}

// covered notes that all bytes of a log are synced or with the round.
func (d *Dir) covered(l *Log) {
	d.beside -= l.beside
	l.beside = 0
}

// uncovered notes that the last segment is not with a round that seals what is before it.
func (d *Dir) uncovered(l *Log) {
	s := l.last()
	if s.size > 0 {
		l.markDirty(s.file)
	}
	l.beside = int64(s.size)
	d.beside += l.beside
}

// Steps returns how many system calls the round takes.
func (r *Round) Steps() int { return len(r.steps) }

// Streams returns how many streams the round covers.
func (r *Round) Streams() int { return len(r.streams) }

// Step makes system call i. Each is made once, in any order, or beside one another. It reports whether it went well; after a failure no further
// step need be made, for the directory is given up.
func (r *Round) Step(i int) bool {
	s := &r.steps[i]
	switch {
	case s.all:
		s.err = r.fs.SyncAll()
	case s.file != nil:
		s.err = s.file.SyncData()
	case s.path != "":
		s.err = syncPath(r.fs, s.path)
	default:
		s.err = r.fs.SyncDir(s.folder)
	}
	if s.file == nil && errors.Is(s.err, vfs.ErrNotExist) {
		s.err = errMoved{s.err}
	}
	var moved errMoved
	return s.err == nil || errors.As(s.err, &moved)
}

// syncPath makes a file durable that nobody has open.
func syncPath(fs vfs.FS, path string) error {
	file, err := fs.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.SyncData(), file.Close())
}

// errMoved is the failure to find a folder, or a file in it: harmless if it was moved aside meanwhile, which EndSync knows.
type errMoved struct{ error }

// Run makes all steps, one after another, up to the first failure.
func (r *Round) Run() {
	for i := range r.steps {
		if !r.Step(i) {
			return
		}
	}
}

// EndSync ends the round in flight: Durable for each stream, or IOFailed, then the directory is fenced. The Durable carries the generation that
// the stream had when the round began: if a Truncate came between, the core ignores it.
func (d *Dir) EndSync(r *Round, events []core.Event) []core.Event {
	if r == nil || d.round != r {
		return events
	}
	d.round = nil
	if d.fenced != nil {
		return events // a write failed meanwhile: what is not said is not promised
	}
	for i := range r.steps {
		s := &r.steps[i]
		of := &r.streams[s.stream]
		if s.err == nil {
			continue
		}
		var moved errMoved
		if errors.As(s.err, &moved) && d.logs[of.log.id] != of.log {
			continue // deleted meanwhile
		}
		if errors.As(s.err, &moved) && of.log.folder != of.folder {
			// The folder has another name by now: what it holds is not known to be durable, so the next round says it.
			of.moved, of.log.names = true, true
			d.wantSync(of.log)
			continue
		}
		return d.fence(of.log.id, s.err, events)
	}
	for i := range r.streams {
		s := &r.streams[i]
		if s.moved || d.logs[s.log.id] != s.log {
			continue // moved, or deleted meanwhile
		}
		if s.seals {
			if err := d.sealed(s.log, s.asked); err != nil {
				return d.fence(s.log.id, err, events)
			}
		}
		events = append(events, core.Event{Kind: core.EvDurable, Stream: s.log.id, Generation: s.gen, UpTo: s.upTo})
		if !s.checkpoint {
			continue
		}
		events = append(events, core.Event{Kind: core.EvCheckpointed, Stream: s.log.id, Generation: s.gen, UpTo: s.upTo})
		if err := d.checkpointed(s.log, s.upTo); err != nil {
			return d.fence(s.log.id, err, events)
		}
	}
	return events
}
