package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"

	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Options say how a Dir keeps indexes.
type Options struct {
	IndexInterval int64 // index.interval.bytes: an entry for more than so many bytes of batches
	IndexBytes    int64 // segment.index.bytes: what an index may hold, and has set aside while its segment grows
	SealAbove     int64 // a roll with more unsynced bytes than so many has a round seal what is before it. (1 MiB: PERFORMANCE-LOG)
	SyncAllAbove  int   // a round of more files and folders than so many is one SyncAll. (16: docs/BENCHMARKS.md)
	FillStep      int64 // a busy durable log's file grows by so many zeros at a time, or fewer (fill.go)
}

// DefaultOptions are Kafka's.
func DefaultOptions() Options {
	return Options{IndexInterval: 4096, IndexBytes: 10 << 20, SealAbove: 1 << 20, SyncAllAbove: 16, FillStep: 256 << 10}
}

// Sizes of an entry of .index (relative offset i32, position i32) and of .timeindex (timestamp i64, relative offset i32), big-endian.
const (
	offsetEntry = 8
	timeEntry   = 12
)

// indexPage is how much of an index file one write gives a place on the disk.
const indexPage = 4096

func (o *Options) limit(entry int64) int64 { return o.IndexBytes / entry * entry }

// room is what a file needs whose entries may be more than the limit by now.
func (o *Options) room(entries []byte, entry int64) int64 {
	return max(o.limit(entry), int64(len(entries))+entry)
}

// index finds a place in a segment near an offset, a time or a position. The entries lie in the segment's .index and .timeindex, mapped; while
// recovery scans, on the heap. Entries are only ever added behind a copy's length, so a copy of the value is a snapshot; a cut makes new files. The first
// batch needs no entry: without one, searches say position 0.
//
// An entry of .index names the last offset of the batch that starts at the position. An entry of .timeindex names the largest timestamp of all batches up
// to some place and the last offset of the first batch that has it, so that before that batch every timestamp is smaller. Timestamps rise strictly. When
// .index is full it gets no further entries, and .timeindex then only its final one, whatever the limit: a closed segment without it would be read whole at each start. The core counts along and rolls then; see stream.Index.
//
// Nothing of an index needs to be durable: recovery scans every segment and makes every index that is not what the scan says anew.
type index struct {
	base    record.Offset
	offsets []byte
	times   []byte
	files   *indexFiles // nil on the heap. For the writer only.
}

// indexFiles are what holds a segment's entries. No file stays open: a mapping needs none.
type indexFiles struct {
	offsets, times indexFile
	grows          bool // the segment does, and the files have room set aside
}

type indexFile struct {
	mapping vfs.Mapping // nil if there is no entry and will be none
	claimed int64       // bytes, from the start, that a write has given a place on the disk
}

// add tells the index of the next batch, which starts at pos and ends at last. Of all batches up to it maxTS is the largest timestamp, and maxAt the
// last offset of the first batch that has it.
func (x *index) add(last record.Offset, pos stream.Pos, maxTS record.UnixMillis, maxAt record.Offset, o *Options) {
	if int64(pos-x.indexed()) <= o.IndexInterval || last-x.base > math.MaxInt32 || pos > math.MaxInt32 {
		return
	}
	if int64(len(x.offsets)+offsetEntry) > o.limit(offsetEntry) {
		return
	}
	x.offsets = binary.BigEndian.AppendUint32(x.offsets, uint32(last-x.base)) // a mapping has room: these store into it
	x.offsets = binary.BigEndian.AppendUint32(x.offsets, uint32(pos))
	if int64(len(x.times)+2*timeEntry) <= o.limit(timeEntry) { // the last place is that of the final entry
		x.addTime(maxTS, maxAt)
	}
}

func (x *index) addTime(maxTS record.UnixMillis, maxAt record.Offset) {
	if maxTS <= x.lastTime() {
		return
	}
	x.times = binary.BigEndian.AppendUint64(x.times, uint64(maxTS))
	x.times = binary.BigEndian.AppendUint32(x.times, uint32(maxAt-x.base))
}

func (x *index) count() int { return len(x.offsets) / offsetEntry }

func (x *index) entry(i int) (last record.Offset, pos stream.Pos) {
	e := x.offsets[i*offsetEntry:]
	return x.base + record.Offset(binary.BigEndian.Uint32(e)), stream.Pos(binary.BigEndian.Uint32(e[4:]))
}

func (x *index) timeEntry(i int) (record.UnixMillis, record.Offset) {
	e := x.times[i*timeEntry:]
	return record.UnixMillis(binary.BigEndian.Uint64(e)), x.base + record.Offset(binary.BigEndian.Uint32(e[8:]))
}

// indexed returns the position of the last entry; 0 if there is none.
func (x *index) indexed() stream.Pos {
	if x.count() == 0 {
		return 0
	}
	_, pos := x.entry(x.count() - 1)
	return pos
}

func (x *index) lastTime() record.UnixMillis {
	n := len(x.times) / timeEntry
	if n == 0 {
		return record.NoTimestamp
	}
	ts, _ := x.timeEntry(n - 1)
	return ts
}

// upTo returns how many entries say a batch boundary at or before the batch that holds offset: those before it.
func (x *index) upTo(offset record.Offset) int {
	return sort.Search(x.count(), func(i int) bool { last, _ := x.entry(i); return last > offset })
}

// within returns the last entry of a batch at or before pos whose base offset is at most limit; -1 if none is known.
func (x *index) within(pos stream.Pos, limit record.Offset) int {
	return sort.Search(x.count(), func(i int) bool {
		last, at := x.entry(i)
		return at > pos || last > limit
	}) - 1
}

// at returns the last offset of the batch at pos, if it has an entry.
func (x *index) at(pos stream.Pos) (record.Offset, bool) {
	n := sort.Search(x.count(), func(i int) bool { _, at := x.entry(i); return at >= pos })
	if n == x.count() {
		return 0, false
	}
	last, at := x.entry(n)
	return last, at == pos
}

// indexEnd is the next known batch behind a place: no offset before its end lies above last.
type indexEnd struct {
	pos  stream.Pos
	last record.Offset
}

// end returns the end of what lies between pos and the next known batch; next is the segment's end.
func (x *index) end(pos stream.Pos, next record.Offset) indexEnd {
	n := sort.Search(x.count(), func(i int) bool { _, at := x.entry(i); return at > pos })
	if n == x.count() {
		return noEnd(next)
	}
	last, at := x.entry(n)
	return indexEnd{at, last}
}

// noEnd is the end where nothing is known behind: the segment's.
func noEnd(next record.Offset) indexEnd { return indexEnd{math.MaxInt64, next - 1} }

// grows reports whether entries can be added to the files.
func (x *index) grows() bool { return x.files != nil && x.files.grows }

// claimIndex makes sure that a full disk fails here and not at a store to memory, which nobody survives: n further batches, ending at end, may add entries.
func (d *Dir) claimIndex(folder string, s *segment, n int, end stream.Pos) error {
	x := &s.index
	n = min(n, int(int64(end-x.indexed())/max(s.limit.IndexInterval, 1)))
	if n == 0 {
		return nil
	}
	path := folder + "/" + indexName(x.base)
	if err := d.claim(&x.files.offsets, path, int64(len(x.offsets)+n*offsetEntry), int64(cap(x.offsets))); err != nil {
		return err
	}
	return d.claimTime(folder, x, n)
}

func (d *Dir) claimTime(folder string, x *index, n int) error {
	path := folder + "/" + timeIndexName(x.base)
	return d.claim(&x.files.times, path, int64(len(x.times)+n*timeEntry), int64(cap(x.times)))
}

// claim opens the file for the write: it happens once for some hundred entries, and an open file for each would be two for each partition.
func (d *Dir) claim(f *indexFile, path string, end, limit int64) error {
	end = min((end+indexPage-1)/indexPage*indexPage, limit)
	if end <= f.claimed {
		return nil
	}
	err := d.onFile(path, func(file vfs.File) error { return writeWhole(file, make([]byte, end-f.claimed), f.claimed) })
	f.claimed = end
	return err
}

func (d *Dir) onFile(path string, do func(vfs.File) error) error {
	file, err := d.fs.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(do(file), file.Close())
}

func writeWhole(file vfs.File, p []byte, off int64) error {
	n, err := file.WriteAt([][]byte{p}, off)
	if err == nil && n != int64(len(p)) {
		err = fmt.Errorf("index at %d: %d of %d bytes written: %w", off, n, len(p), vfs.ErrIO)
	}
	return err
}

// closeIndex adds the final time entry and cuts the files to what they hold: the segment does not grow any more. Readers go on with the mapping, which nobody
// touches behind the cut.
func (d *Dir) closeIndex(l *Log, s *segment) error {
	x := &s.index
	final := s.maxTS > x.lastTime()
	if !x.grows() && !final {
		return nil
	}
	if final && cap(x.times) < len(x.times)+timeEntry || !x.grows() { // it has not grown since a start, or its limit was lowered meanwhile
		if err := d.growIndex(l, s); err != nil {
			return err
		}
	}
	if final {
		if err := d.claimTime(l.folder, x, 1); err != nil {
			return err
		}
		x.addTime(s.maxTS, s.maxAt)
	}
	x.files.grows = false
	err := d.onFile(l.folder+"/"+indexName(x.base), func(file vfs.File) error { return file.Truncate(int64(len(x.offsets))) })
	if err != nil {
		return err
	}
	return d.onFile(l.folder+"/"+timeIndexName(x.base), func(file vfs.File) error { return file.Truncate(int64(len(x.times))) })
}

// release returns the mappings, which are the caller's to give back when no view names them any more. The entries stay named: views share the segments.
func (x *index) release() []vfs.Mapping {
	var maps []vfs.Mapping
	if x.files != nil {
		for _, f := range []*indexFile{&x.files.offsets, &x.files.times} {
			if f.mapping != nil {
				maps = append(maps, f.mapping)
				f.mapping = nil
			}
		}
	}
	return maps
}

// drop releases what no view names.
func (x *index) drop() error {
	var errs []error
	for _, m := range x.release() {
		errs = append(errs, m.Unmap())
	}
	return errors.Join(errs...)
}

// state is what the core counts on from.
func (x *index) state() stream.Index {
	return stream.Index{Entries: int32(x.count()), Times: int32(len(x.times) / timeEntry), Last: x.indexed(), LastTime: x.lastTime()}
}

// firstTimestamp is the largest timestamp of the last segment's first batch, NoTimestamp if there is none.
func (l *Log) firstTimestamp() (record.UnixMillis, error) {
	s := l.last()
	if s == nil || s.size == 0 {
		return record.NoTimestamp, nil
	}
	b, err := newScanner(s.file, l.path(s.base), int64(s.size), record.HeaderSize).header(0)
	var f flaw
	if errors.As(err, &f) { // a segment that begins with damage
		return record.NoTimestamp, nil
	}
	return b.MaxTimestamp, err
}
