package segment

import (
	"errors"
	"fmt"
	"io"
	"sort"

	"odradek/core/record"
	"odradek/core/stream"
)

// No CRC covers an index file or leader-epoch-checkpoint, and what lies on a disk may rot. So what they say counts only where the log vouches for it: an entry of
// .index if a batch stands at its position that ends with its offset, one of .timeindex if the batch of its offset has its timestamp, an epoch if a batch of it
// begins where it does. Rot does not hit upon two numbers that fit. Readers look at those headers anyway.

// vouchTries is how many entries are tried before a segment is walked from its start: a sector has 64.
const vouchTries = 200

// vouched reports whether the log vouches for entry i.
func (x *index) vouched(sc *scanner, i int) (bool, error) {
	last, pos := x.entry(i)
	b, err := sc.header(int64(pos))
	ok, err := there(err)
	return ok && b.LastOffset() == last, err
}

// there tells a header that cannot be read from an error of the file system.
func there(err error) (bool, error) {
	var f flaw
	if err == io.EOF || errors.As(err, &f) {
		return false, nil
	}
	return err == nil, err
}

// vouchedBefore returns a batch boundary at or before the batch that holds offset: the last that the index knows and the log vouches for, or 0. Entries that have
// rotted may lie in any order.
func (x *index) vouchedBefore(sc *scanner, offset record.Offset) (stream.Pos, error) {
	n := x.upTo(offset)
	for i := n - 1; i >= max(0, n-vouchTries); i-- {
		last, pos := x.entry(i)
		if last > offset {
			continue
		}
		if ok, err := x.vouched(sc, i); ok || err != nil {
			return pos, err
		}
	}
	return 0, nil
}

// vouchedEnd is end by the next entry that the log vouches for.
func (x *index) vouchedEnd(sc *scanner, pos stream.Pos, next record.Offset) (indexEnd, error) {
	n := sort.Search(x.count(), func(i int) bool { _, at := x.entry(i); return at > pos })
	for i := n; i < min(n+vouchTries, x.count()); i++ {
		if last, at := x.entry(i); at > pos {
			if ok, err := x.vouched(sc, i); ok || err != nil {
				return indexEnd{at, last}, err
			}
		}
	}
	return noEnd(next), nil
}

// byTime returns a batch boundary before which every timestamp is below at.
func (x *index) byTime(sc *scanner, at record.UnixMillis) (stream.Pos, error) {
	n := sort.Search(len(x.times)/timeEntry, func(i int) bool {
		ts, _ := x.timeEntry(i)
		return ts > at
	})
	for i := n - 1; i >= max(0, n-vouchTries); i-- {
		if ts, _ := x.timeEntry(i); ts > at {
			continue
		}
		if pos, ok, err := x.timeVouched(sc, i); ok || err != nil {
			return pos, err
		}
	}
	return 0, nil
}

// timeVouched reports whether the log vouches for time entry i, and returns a batch boundary at or before the batch that it names.
func (x *index) timeVouched(sc *scanner, i int) (stream.Pos, bool, error) {
	ts, offset := x.timeEntry(i)
	from, b, err := x.holding(sc, offset)
	ok, err := there(err)
	return from, ok && b.LastOffset() == offset && b.MaxTimestamp == ts, err
}

// timesReach reports whether the log vouches for the last time entry, and no batch from there to the one at pos has a larger timestamp.
func (x *index) timesReach(sc *scanner, pos int64) (bool, error) {
	n := len(x.times)/timeEntry - 1
	at, ok, err := x.timeVouched(sc, n)
	ts, offset := x.timeEntry(n)
	for ok && err == nil && int64(at) <= pos {
		var b record.Batch
		if b, err = sc.header(int64(at)); err == nil {
			ok = b.LastOffset() < offset || b.MaxTimestamp <= ts
			at += stream.Pos(b.Size)
		}
	}
	there, err := there(err)
	return ok && there, err
}

// holding walks to the first batch that does not end before offset, and returns the boundary from which it walked, too.
func (x *index) holding(sc *scanner, offset record.Offset) (from stream.Pos, b record.Batch, err error) {
	if from, err = x.vouchedBefore(sc, offset); err != nil {
		return from, b, err
	}
	for pos := int64(from); ; pos += int64(b.Size) {
		if b, err = sc.header(pos); err != nil || b.LastOffset() >= offset {
			return from, b, err
		}
	}
}

// errState says that the log does not vouch for the file of epochs: the whole log is read.
var errState = errors.New("the log contradicts " + epochsFile)

// vouchEpochs demands that the batches of the segment taken in last have the epochs that the file says, up to but not including end: that one of it begins where
// an epoch does, and that those before it and at the end have the one before.
func (r *recovery) vouchEpochs(sc *scanner, x *index, end record.Offset) error {
	first := max(r.log.segs[0].base, r.start) // of an epoch that begins before it the batches were deleted
	small := newScanner(sc.file, sc.path, sc.end, readerChunk)
	offsets := []record.Offset{max(first, x.base), end - 1} // also where the log starts: the epoch there may begin with what was deleted
	for _, e := range r.epochs {
		if e.Start >= max(first, x.base) && e.Start < end {
			offsets = append(offsets, e.Start-1, e.Start)
		}
	}
	for _, at := range offsets {
		if at < max(first, x.base) || at >= end {
			continue
		}
		_, b, err := x.holding(small, at)
		ok, err := there(err)
		if err != nil {
			return err
		}
		e, begins := epochAt(r.epochs, at)
		missing := !ok || b.BaseOffset > at // compaction leaves gaps
		if begins && (missing || b.BaseOffset != at && at > first) || !missing && b.LeaderEpoch != e {
			return fmt.Errorf("%w: epoch %d at offset %d", errState, e, at)
		}
	}
	return nil
}

// epochAt returns the epoch of an offset, and whether it begins there.
func epochAt(epochs []stream.EpochStart, offset record.Offset) (e record.Epoch, begins bool) {
	n := sort.Search(len(epochs), func(i int) bool { return epochs[i].Start > offset })
	if n == 0 {
		return record.NoEpoch, false
	}
	return epochs[n-1].Epoch, epochs[n-1].Start == offset
}
