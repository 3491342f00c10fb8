package stream

import "odradek/core/record"

// RingSize is how many recent batches of a stream the core remembers by position: enough for consumers at the tail, small enough for
// ten thousand partitions.
const RingSize = 64

// tailBatch is one remembered batch. Total counts the bytes of all batches before it since the ring was made: the difference of two is the
// number of bytes between them.
type tailBatch struct {
	base, next record.Offset
	segment    record.Offset
	pos        Pos
	size       int32
	total      int64
}

// Ring remembers where the last batches of a stream lie, so that a fetch at the tail is answered without reading.
// Invariant: entries are consecutive batches of the log; the last one ends at the log end.
type Ring struct {
	entries []tailBatch // a circle of at most RingSize once full
	first   int
	total   int64
}

func (r *Ring) at(i int) *tailBatch { return &r.entries[(r.first+i)%len(r.entries)] }

// Push remembers a batch at the log end.
func (r *Ring) Push(b *record.Batch, segment record.Offset, pos Pos) {
	t := tailBatch{base: b.BaseOffset, next: b.NextOffset(), segment: segment, pos: pos, size: b.Size, total: r.total}
	r.total += int64(b.Size)
	if len(r.entries) < RingSize {
		r.entries = append(r.entries, t)
		return
	}
	r.entries[r.first] = t
	r.first = (r.first + 1) % RingSize
}

// Reset forgets all batches; the stream was cut.
func (r *Ring) Reset() { *r = Ring{total: r.total} }

// index returns the place of the batch that holds offset or, if it lies in a gap, of the next one; ok is false below the ring.
func (r *Ring) index(offset record.Offset) (int, bool) {
	n := len(r.entries)
	if n == 0 || offset < r.at(0).base {
		return 0, false
	}
	lo, hi := 0, n
	for lo < hi {
		mid := (lo + hi) / 2
		if r.at(mid).next <= offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, true
}

// Covers reports whether the ring knows where offset lies.
func (r *Ring) Covers(offset record.Offset) bool {
	_, ok := r.index(offset)
	return ok
}

// Bytes returns the size of the batches from the one that holds from on that end at or below limit. Below the ring it counts from the ring's start.
func (r *Ring) Bytes(from, limit record.Offset) int64 {
	n := len(r.entries)
	if n == 0 {
		return 0
	}
	i, _ := r.index(from)
	j, ok := r.index(limit)
	if !ok || j <= i {
		return 0
	}
	end := r.total
	if j < n {
		end = r.at(j).total
	}
	return end - r.at(i).total
}

// Extents appends to dst the extents of consecutive batches from the one that holds from on, those that end at or below limit and together
// have at most maxBytes; the first is given whatever its size if whole is set. It returns dst and the bytes named. The ring must cover from.
func (r *Ring) Extents(dst []Extent, id ID, from, limit record.Offset, maxBytes int64, whole bool) ([]Extent, int64) {
	i, ok := r.index(from)
	if !ok {
		panic("invariant: extents asked below the tail ring")
	}
	var sum int64
	for ; i < len(r.entries); i++ {
		t := r.at(i)
		if t.next > limit || (sum+int64(t.size) > maxBytes && !(whole && sum == 0)) {
			break
		}
		sum += int64(t.size)
		if k := len(dst) - 1; k >= 0 && sum > int64(t.size) && dst[k].Base == t.segment && dst[k].Pos+Pos(dst[k].Len) == t.pos {
			dst[k].Len += t.size
			continue
		}
		dst = append(dst, Extent{Stream: id, Base: t.segment, Pos: t.pos, Len: t.size})
	}
	return dst, sum
}
