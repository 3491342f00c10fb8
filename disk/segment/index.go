package segment

import (
	"sort"

	"odradek/core/record"
	"odradek/core/stream"
)

// indexInterval is Kafka's index.interval.bytes: about one entry for so many bytes of batches.
const indexInterval = 4096

// indexEntry names a batch: where it starts, and what came before it.
type indexEntry struct {
	base      record.Offset     // base offset of the batch at pos
	pos       stream.Pos        // a batch boundary
	maxBefore record.UnixMillis // largest timestamp of the segment's batches before pos; never falls from entry to entry
}

// index finds a place in a segment near an offset, a time or a position. It lives in memory and is rebuilt by recovery. Entries are only ever
// added behind a copy's length, so a copy of the value is a snapshot. The first batch needs no entry: without one, searches say position 0.
type index struct {
	entries []indexEntry
}

// add tells the index of the next batch. maxBefore is the largest timestamp of the batches before it.
func (x *index) add(base record.Offset, pos stream.Pos, maxBefore record.UnixMillis) {
	last := stream.Pos(0)
	if n := len(x.entries); n > 0 {
		last = x.entries[n-1].pos
	}
	if pos-last >= indexInterval {
		x.entries = append(x.entries, indexEntry{base: base, pos: pos, maxBefore: maxBefore})
	}
}

// cut returns the index of what lies before pos. It shares nothing that a later add would change.
func (x index) cut(pos stream.Pos) index {
	n := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].pos >= pos })
	return index{entries: x.entries[:n:n]}
}

// byOffset returns a batch boundary at or before the batch that holds offset.
func (x index) byOffset(offset record.Offset) stream.Pos {
	return x.before(func(e indexEntry) bool { return e.base > offset })
}

// byTime returns a batch boundary before which every timestamp is below at.
func (x index) byTime(at record.UnixMillis) stream.Pos {
	return x.before(func(e indexEntry) bool { return e.maxBefore >= at })
}

// byPos returns the last known batch boundary at or before pos whose batch's base offset is at most limit; 0 if none is known.
func (x index) byPos(pos stream.Pos, limit record.Offset) stream.Pos {
	return x.before(func(e indexEntry) bool { return e.pos > pos || e.base > limit })
}

// before returns the position of the last entry for which over is false; over turns true once and stays so.
func (x index) before(over func(indexEntry) bool) stream.Pos {
	n := sort.Search(len(x.entries), func(i int) bool { return over(x.entries[i]) })
	if n == 0 {
		return 0
	}
	return x.entries[n-1].pos
}

// at returns the entry of a position that a search returned, which is not 0.
func (x index) at(pos stream.Pos) indexEntry {
	return x.entries[sort.Search(len(x.entries), func(i int) bool { return x.entries[i].pos >= pos })]
}
