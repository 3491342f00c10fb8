// Package segment keeps streams in Kafka's files: one log directory, synchronously. It takes no decision of the log: what to append, cut, roll
// and delete comes as core.DiskOp; what it says is core.Event.
//
//	<root>/meta.properties  .lock  <slots>
//	<root>/<topic>-<partition>/partition.metadata  <20-digit base offset>.log .index .timeindex …
//	<root>/<topic>-<partition>.<32 hex>-delete/     a folder whose removal has begun
//
// What is durable when (package vfs promises nothing else):
//
//   - Create: folder, partition.metadata and their names are synced before Create returns, so before any append.
//   - Append: nothing. The next round syncs the files, and the folder if it has new names.
//   - Truncate: files are removed from the last backwards and each removal is synced before the next, then the first is cut and synced. So
//     whatever a crash leaves is a prefix of the log, and the cut is durable before anything is written behind it.
//   - Delete below: the same from the front, so that the log never has a gap.
//   - Indexes: nothing, ever. Recovery makes them anew from the log.
//
// A Dir is not safe for concurrent use, with two exceptions that let the disk work while a Dir is written: Round.Step, and a View.
// After the first failure of a write or a sync the Dir is fenced: it does nothing more, for nobody knows what the page cache still holds.
package segment

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Dir is one log directory.
type Dir struct {
	fs      vfs.FS
	id      stream.DirID
	options Options
	logs    map[stream.ID]*Log
	folders map[string]*Log // by the name that a Create would want; logs moved aside are not in it
	want    []*Log          // the next round's streams, each once, in the order they asked
	touched []*Log          // within Write: logs with appends gathered or written
	round   *Round          // in flight, else nil
	beside  int64           // bytes written that no round has taken up: the sum of Log.beside
	zeros   []byte          // what files are filled with
	opened  []FileChange
	gone    []FileChange
	list    *streamList
	marks   marks
	clean   bool // the mark of a clean stop was there
	fenced  error
}

// segment is one .log file with its indexes. It is copied into views, so a field of a segment that is not the last never changes in place.
type segment struct {
	base   record.Offset
	file   vfs.File
	size   stream.Pos
	filled int64         // the file's length, if zeros were put behind the last batch; of the last segment alone
	next   record.Offset // what follows its last batch; base if it is empty
	maxTS  record.UnixMillis
	maxAt  record.Offset // last offset of the first batch that has maxTS; base if it is empty
	index  index
	leaps  []leap   // rising
	limit  *Options // what its index files were made for, while it grows. Never changed in place
}

// leap is a place behind damage: the batch there holds offset. Whoever looks for that or a later one must not walk over what is before.
type leap struct {
	offset record.Offset
	pos    stream.Pos
}

func newSegment(base record.Offset, file vfs.File) segment {
	return segment{base: base, file: file, next: base, maxTS: record.NoTimestamp, maxAt: base, index: index{base: base}}
}

// Log is one stream's files and what is known of them. It belongs to one Dir.
type Log struct {
	id     stream.ID
	topic  string
	folder string
	gen    stream.Generation
	segs   []segment     // by base; the last one grows
	next   record.Offset // written end

	limits *Options // what the last Append or Roll said of indexes; nil: nothing yet, or the Dir's

	// Gathered by Write, not yet in the file. Empty outside Write.
	pending []record.Batch
	bufs    [][]byte
	synced  bool // one of them asks for a sync
	touched bool // in Dir.touched
	wrote   bool // a Written is due

	// Invariant: what is not named here and was written is durable.
	dirty  []vfs.File // files with bytes that no sync covers
	names  bool       // the folder has names that no sync covers
	wanted bool       // in Dir.want
	asked  bool       // by somebody who waits for all that was written

	unsealed bool // the last segment's file is named .log.next

	beside int64 // bytes written since a round or a seal covered all

	// State on disk. Names in unsynced are files that the next checkpoint has to sync.
	checkpoint bool                // a Checkpointed is due with the next round
	epochs     []stream.EpochStart // as the file says, which knows of nothing at or above stateEnd
	stateEnd   record.Offset
	snapshots  []record.Offset // rising
	unsynced   []string

	missing bool // its folder is lost: it is here to be deleted only
}

// FileChange tells whoever lends out files that a segment's file was opened, or that it has left the log: then the file still reads, and it is
// the receiver's to close once nobody uses it.
type FileChange struct {
	Stream stream.ID
	Base   record.Offset
	File   vfs.File
	Gone   bool

	// Indexes of the segment that left with it, or that a cut replaced while the file stays. They are the receiver's to unmap once no View that was taken
	// before is used.
	Maps []vfs.Mapping
}

// OpenDir returns the log directory at the root of fs, with no streams in it yet: see Folders, Recover and Add. It touches no file.
func OpenDir(fs vfs.FS, id stream.DirID) *Dir { return OpenDirWith(fs, id, DefaultOptions()) }

// OpenDirWith is OpenDir with other options than Kafka's; those that are zero are Kafka's.
func OpenDirWith(fs vfs.FS, id stream.DirID, o Options) *Dir {
	kafka := DefaultOptions()
	o.IndexInterval, o.IndexBytes = cmp.Or(o.IndexInterval, kafka.IndexInterval), cmp.Or(o.IndexBytes, kafka.IndexBytes)
	o.SealAbove, o.FillStep = cmp.Or(o.SealAbove, kafka.SealAbove), cmp.Or(o.FillStep, kafka.FillStep)
	o.SyncAllAbove = cmp.Or(o.SyncAllAbove, kafka.SyncAllAbove)
	return &Dir{fs: fs, id: id, options: o, logs: map[stream.ID]*Log{}, folders: map[string]*Log{}, list: &streamList{}}
}

// Part moves a stream, be it there or still to be made, to a Dir of its own at the same root: the two may be used beside one another, with rounds of their own. Only after
// Enlist; a failure fences the one that it hit.
func (d *Dir) Part(id stream.ID) *Dir {
	p := &Dir{fs: d.fs, id: d.id, options: d.options, logs: map[stream.ID]*Log{}, folders: map[string]*Log{}, list: d.list}
	l := d.logs[id]
	if l == nil {
		return p
	}
	delete(d.logs, id)
	p.logs[id] = l
	if d.folders[l.folder] == l {
		delete(d.folders, l.folder)
		p.folders[l.folder] = l
	}
	d.beside -= l.beside
	p.beside += l.beside
	moves := func(c FileChange) bool { return c.Stream == id }
	for _, c := range d.opened {
		if moves(c) {
			p.opened = append(p.opened, c)
		}
	}
	d.opened = slices.DeleteFunc(d.opened, moves)
	return p
}

// ID returns the directory's place in the node's list.
func (d *Dir) ID() stream.DirID { return d.id }

// FS returns the file system that the directory lies on.
func (d *Dir) FS() vfs.FS { return d.fs }

// Err returns the failure that fenced the directory, nil while it works.
func (d *Dir) Err() error { return d.fenced }

// Add takes a recovered log into the directory.
func (d *Dir) Add(l *Log) error {
	if d.logs[l.id] != nil || d.folders[l.folder] != nil {
		return fmt.Errorf("%s: stream %s is in this directory twice: remove one of the folders", l.folder, l.id)
	}
	d.logs[l.id], d.folders[l.folder] = l, l
	for i := range l.segs {
		d.opened = append(d.opened, FileChange{Stream: l.id, Base: l.segs[i].base, File: l.segs[i].file})
	}
	return nil
}

// Streams returns the ids of all streams, sorted by topic id and partition.
func (d *Dir) Streams() []stream.ID {
	ids := make([]stream.ID, 0, len(d.logs))
	for id := range d.logs { // any order: sorted below
		ids = append(ids, id)
	}
	slices.SortFunc(ids, compareIDs)
	return ids
}

// TakeChanges appends to dst what happened to files since the last call. Files that a round may still be syncing are not given up before it ends.
func (d *Dir) TakeChanges(dst []FileChange) []FileChange {
	dst = append(dst, d.opened...)
	clear(d.opened)
	d.opened = d.opened[:0]
	if d.round == nil {
		dst = append(dst, d.gone...)
		clear(d.gone)
		d.gone = d.gone[:0]
	}
	return dst
}

// CloseFiles does CloseIndexes and closes every file, those that TakeChanges would still name included. Nothing may be under way; the Dir is of no use afterwards.
func (d *Dir) CloseFiles() error {
	errs := []error{d.CloseIndexes()}
	for _, id := range d.Streams() {
		for i := range d.logs[id].segs {
			errs = append(errs, d.logs[id].segs[i].file.Close())
		}
	}
	for _, c := range d.gone {
		if c.Gone {
			errs = append(errs, c.File.Close())
		}
	}
	d.logs, d.folders, d.gone, d.opened = nil, nil, nil, nil
	return errors.Join(errs...)
}

// fence gives the directory up because of err and says so.
func (d *Dir) fence(id stream.ID, err error, events []core.Event) []core.Event {
	if d.fenced != nil {
		return events
	}
	d.fenced = err
	return append(events, core.Event{Kind: core.EvIOFailed, Dir: d.id, Stream: id, Reason: err.Error()})
}

// retire hands a segment's file and indexes over to whoever lends files.
func (d *Dir) retire(l *Log, s *segment) {
	d.gone = append(d.gone, FileChange{Stream: l.id, Base: s.base, File: s.file, Gone: true, Maps: s.index.release()})
	l.dirty = slices.DeleteFunc(l.dirty, func(f vfs.File) bool { return f == s.file })
	l.forgetUnsynced(func(name string) bool { return name == indexName(s.base) || name == timeIndexName(s.base) })
}

// limitsOf returns how a log's next segment is indexed.
func (d *Dir) limitsOf(l *Log) *Options {
	if l.limits == nil {
		return &d.options
	}
	return l.limits
}

// setLimits takes over what the core says of a log's indexes, if it says anything. It holds from the next segment on.
func (l *Log) setLimits(x stream.IndexLimits) {
	if x == (stream.IndexLimits{}) || l.limits != nil && l.limits.IndexInterval == int64(x.Interval) && l.limits.IndexBytes == int64(x.Bytes) {
		return
	}
	l.limits = &Options{IndexInterval: int64(x.Interval), IndexBytes: int64(x.Bytes)}
}

// ID names the stream.
func (l *Log) ID() stream.ID { return l.id }

func (l *Log) path(base record.Offset) string {
	if l.unsealed && l.last().base == base {
		return l.folder + "/" + nextName(base)
	}
	return l.folder + "/" + logName(base)
}

// last returns the segment that grows, nil if there is none.
func (l *Log) last() *segment {
	if len(l.segs) == 0 {
		return nil
	}
	return &l.segs[len(l.segs)-1]
}

func (l *Log) markDirty(f vfs.File) {
	if !slices.Contains(l.dirty, f) {
		l.dirty = append(l.dirty, f)
	}
}

func compareIDs(a, b stream.ID) int {
	if c := slices.Compare(a.Topic[:], b.Topic[:]); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}
