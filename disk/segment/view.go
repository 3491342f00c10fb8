package segment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// View is a stream's segments as they were when it was taken. It needs no lock beside a Write: what it names only grows behind it, but a Truncate
// may take bytes from under it, which then reads as an error. Its files must not be closed while it is used.
type View struct {
	id     stream.ID
	folder string
	sealed []segment // all but the last
	last   segment   // if any
	any    bool
	next   record.Offset
}

// View returns the stream's present state; ok is false if the stream is not in this directory.
func (d *Dir) View(id stream.ID) (v View, ok bool) {
	l := d.logs[id]
	if l == nil {
		return View{}, false
	}
	v = View{id: id, folder: l.folder, next: l.next}
	if n := len(l.segs); n > 0 {
		v.sealed, v.last, v.any = l.segs[:n-1:n-1], l.segs[n-1], true
	}
	return v, true
}

// Next returns the written end.
func (v *View) Next() record.Offset { return v.next }

// File returns the open file of the segment of that base offset.
func (v *View) File(base record.Offset) (vfs.File, bool) {
	for i := range v.count() {
		if s := v.segment(i); s.base == base {
			return s.file, true
		}
	}
	return nil, false
}

func (v *View) count() int {
	if !v.any {
		return 0
	}
	return len(v.sealed) + 1
}

func (v *View) segment(i int) *segment {
	if i == len(v.sealed) {
		return &v.last
	}
	return &v.sealed[i]
}

func (v *View) path(s *segment) string { return v.folder + "/" + logName(s.base) }

// Locate finds the batches that q asks for, of at most budget bytes; with whole, the first batch is given whatever its size. Extents are
// consecutive, at most one for each segment. By time, codec opens compressed batches.
func (v *View) Locate(q core.LocatePartition, budget int64, whole bool, codec Decompressor) core.LocatedPartition {
	out := core.LocatedPartition{Offset: record.NoOffset, Timestamp: record.NoTimestamp, Epoch: record.NoEpoch}
	var err error
	if q.ByTime {
		err = v.locateTime(q, codec, &out)
	} else {
		out.Extents, err = v.extents(q.From, min(q.Limit, v.next), min(int64(q.MaxBytes), budget), whole)
	}
	if err != nil {
		out = core.LocatedPartition{Err: codeOf(err), Offset: record.NoOffset, Timestamp: record.NoTimestamp, Epoch: record.NoEpoch}
	}
	return out
}

// errRange says that an offset lies outside the log.
var errRange = errors.New("offset out of range")

// corrupt says that stored bytes are not what was written.
type corrupt struct{ error }

// locate says where a flaw was met. Readers only look at batches that were valid when they were written or recovered.
func locate(path string, pos int64, err error) error {
	var f flaw
	if errors.As(err, &f) {
		return corrupt{fmt.Errorf("%s at %d: %w: the disk changed what was written", path, pos, err)}
	}
	return err
}

func codeOf(err error) errcode.Code {
	var c corrupt
	switch {
	case err == nil:
		return errcode.None
	case errors.Is(err, errRange):
		return errcode.OffsetOutOfRange
	case errors.As(err, &c):
		return errcode.CorruptMessage
	}
	return errcode.KafkaStorageError
}

// extents names whole batches from the one that holds from on, below limit, of at most room bytes.
func (v *View) extents(from, limit record.Offset, room int64, whole bool) ([]stream.Extent, error) {
	if from == v.next {
		return nil, nil
	}
	if v.count() == 0 || from < v.segment(0).base || from > v.next {
		return nil, errRange
	}
	// The last segment whose base is not above from. It may hold nothing from there on, if offsets are missing at its end.
	i := sort.Search(v.count(), func(i int) bool { return v.segment(i).base > from }) - 1
	var out []stream.Extent
	for ; i < v.count() && (room > 0 || whole); i++ {
		s := v.segment(i)
		x, err := v.within(s, from, limit, room, whole)
		if err == io.EOF {
			continue // offsets are missing at its end
		}
		var damage corrupt
		if errors.As(err, &damage) && len(out) > 0 {
			break // who asks for what is there is told
		}
		if err != nil {
			return nil, err
		}
		if x.Len == 0 {
			break // the batch does not fit or lies at the limit
		}
		out = append(out, x)
		room -= int64(x.Len)
		whole = false
		if x.Pos+stream.Pos(x.Len) < s.size {
			break
		}
	}
	return out, nil
}

// within finds the extent in one segment; Len 0 if its first batch is too much, io.EOF if it holds no batch from there on.
func (v *View) within(s *segment, from, limit record.Offset, room int64, whole bool) (stream.Extent, error) {
	none := stream.Extent{}
	sc := newScanner(s.file, v.path(s), int64(s.size), readerChunk)
	begin, err := s.before(sc, from)
	if err != nil {
		return none, err
	}
	start, first, leapt, err := find(sc, s, int64(begin), from, func(b *record.Batch) bool { return b.LastOffset() >= from })
	if err != nil {
		return none, err
	}
	if leapt && first.BaseOffset > from {
		return none, locate(sc.path, start, flaw(fmt.Sprintf("what is before offset %d is no batch", first.BaseOffset)))
	}
	end := start + int64(first.Size)
	if first.LastOffset() >= limit || int64(first.Size) > room && !whole {
		return none, nil
	}
	// A batch boundary that the index knows saves the headers up to it. A batch there begins at or below limit, so all before it end below.
	room = min(room, int64(s.size)-start, extentMax)
	if i := s.index.within(stream.Pos(start+room), limit); i >= 0 {
		if known, err := s.index.vouched(sc, i); err != nil {
			return none, err
		} else if _, pos := s.index.entry(i); known && int64(pos) > end {
			end = int64(pos)
		}
	}
	for {
		b, err := sc.header(end)
		if err == io.EOF {
			break
		}
		var f flaw
		if errors.As(err, &f) {
			break // who asks for what is there is told
		}
		if err != nil {
			return none, err
		}
		if b.LastOffset() >= limit || end+int64(b.Size) > start+room {
			break
		}
		end += int64(b.Size)
	}
	return stream.Extent{Stream: v.id, Base: s.base, Pos: stream.Pos(start), Len: int32(end - start)}, nil
}

// before returns a batch boundary at or before the batch that holds offset, with nothing between that recovery found damaged.
func (s *segment) before(sc *scanner, offset record.Offset) (stream.Pos, error) {
	pos, err := s.index.vouchedBefore(sc, offset)
	for _, l := range s.leaps {
		if l.offset <= offset {
			pos = max(pos, l.pos)
		}
	}
	return pos, err
}

// extentMax bounds one extent so that its length fits; the first batch, at most 2³¹−1 bytes, always does.
const extentMax = 1 << 30

// find walks headers from pos on to the first batch that is asked for; io.EOF if there is none. Where what stands there is no batch, it goes on at the next one,
// or the next that the index knows; then leapt is true. A batch that does not begin with offset from, if there is
// one, must have a good CRC, too: it may be that only a bad header reaches there.
func find(sc *scanner, s *segment, pos int64, from record.Offset, is func(*record.Batch) bool) (at int64, b record.Batch, leapt bool, err error) {
	last := s.base - 1
	walked := behind{-1, last} // the batch before pos
	end, vouched := s.index.end(stream.Pos(pos), s.next), false
	for {
		b, err := sc.header(pos)
		if stream.Pos(pos) >= end.pos {
			end, vouched = s.index.end(stream.Pos(pos), s.next), false
		}
		if err == nil && b.BaseOffset > last+1 {
			err = gap(sc, s, walked.pos, pos, &b)
		}
		if err == nil && (b.BaseOffset <= last || b.LastOffset() > end.last || stream.Pos(pos)+stream.Pos(b.Size) > end.pos) {
			err = flaw(fmt.Sprintf("base offset %d and length %d do not fit between offset %d and what the index knows behind", b.BaseOffset, b.Size, last))
		}
		if err == nil && from != record.NoOffset && b.BaseOffset != from && is(&b) {
			_, err = sc.batch(pos)
		}
		var f flaw
		if errors.As(err, &f) && !vouched { // is it the index that is wrong?
			if end, err = s.index.vouchedEnd(sc, stream.Pos(pos), s.next); err != nil {
				return pos, b, leapt, err
			}
			vouched = true
			continue
		}
		if errors.As(err, &f) {
			next, more := resync(sc, walked, behind{pos, last}, end)
			if more != nil {
				return pos, b, leapt, more
			}
			if next == 0 {
				return pos, b, leapt, locate(sc.path, pos, err)
			}
			pos, leapt, walked = next, true, behind{-1, last}
			continue
		}
		if err != nil {
			return pos, b, leapt, err
		}
		if is(&b) {
			return pos, b, leapt, nil
		}
		walked = behind{pos, last}
		last = b.LastOffset()
		pos += int64(b.Size)
	}
}

// behind is the place of a batch and the offset before it.
type behind struct {
	pos  int64
	last record.Offset
}

// resync finds where the log goes on behind a header that is none, at or before what the index knows: at the first batch there whose CRC holds and which another
// follows, else where the index says; 0 if it says nothing. Without it, one bad header would hide all good batches up to the next entry. walked is the batch before,
// -1 if there is none: where its CRC fails it may be its length that is wrong.
func resync(sc *scanner, walked, at behind, end indexEnd) (int64, error) {
	if walked.pos >= 0 {
		var f flaw
		if _, err := sc.batch(walked.pos); errors.As(err, &f) {
			at = walked
		} else if err != nil {
			return 0, err
		}
	}
	pos, last := at.pos, at.last
	known := int64(0)
	if end.pos != math.MaxInt64 {
		known = int64(end.pos)
	}
	limit := min(int64(end.pos), sc.end, pos+resyncMax)
	for at := pos + 1; limit-at >= record.HeaderSize; at++ {
		w, err := sc.window(at, record.HeaderSize)
		if err != nil {
			return 0, err
		}
		if w[16] != 2 {
			continue
		}
		if b, err := parseHeader(w, limit-at); err != nil || b.BaseOffset <= last || b.LastOffset() > end.last {
			continue
		}
		b, err := sc.batch(at)
		var f flaw
		if errors.As(err, &f) {
			continue
		}
		if err != nil {
			return 0, err
		}
		next := at + int64(b.Size)
		if next == known || next == sc.end {
			return at, nil
		}
		if follows, err := startsAt(sc, next, b.NextOffset()); follows || err != nil {
			return at, err
		}
	}
	return known, nil
}

// resyncMax bounds the bytes that are searched behind a bad header.
const resyncMax = 4 << 20

// gap checks a batch before which offsets are missing, as compaction leaves them or damage does: no CRC covers its offset. What follows must begin behind it; and the
// batch before, from which the walk came, must be good: a bad length may lead to a batch, too. walked is -1 if there is none.
func gap(sc *scanner, s *segment, walked, pos int64, b *record.Batch) error {
	if walked >= 0 {
		if _, err := sc.batch(walked); err != nil {
			return err
		}
	}
	if last, known := s.index.at(stream.Pos(pos)); known && last == b.LastOffset() {
		return nil
	}
	behind, err := sc.header(pos + int64(b.Size))
	var f flaw
	switch {
	case err == io.EOF && b.NextOffset() <= s.next, errors.As(err, &f), err == nil && behind.BaseOffset >= b.NextOffset():
		return nil
	case err == nil || err == io.EOF:
		return flaw(fmt.Sprintf("base offset %d leaps ahead of what follows", b.BaseOffset))
	}
	return err
}

// Load returns whole batches from offset from on, at most maxBytes unless the first is larger, each with its CRC checked. Empty: the end. The bytes
// are the caller's.
func (v *View) Load(from record.Offset, maxBytes int64) core.Loaded {
	extents, err := v.extents(from, v.next, maxBytes, true)
	if err != nil {
		return core.Loaded{Err: codeOf(err)}
	}
	var bytes []byte
	for _, x := range extents {
		file, _ := v.File(x.Base)
		part := make([]byte, x.Len)
		if _, err := file.ReadAt(part, int64(x.Pos)); err != nil {
			return core.Loaded{Err: errcode.KafkaStorageError}
		}
		if err := checkAll(part); err != nil {
			return core.Loaded{Err: errcode.CorruptMessage}
		}
		bytes = append(bytes, part...)
	}
	return core.Loaded{Bytes: bytes}
}
