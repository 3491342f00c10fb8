package segment

import (
	"errors"

	"odradek/core/record"
)

// passedOver finds where the log goes on behind bad, the batch at pos, whose length leads to next at at: there, or before. A length that has rotted may end where
// a later batch begins, and passes over good ones.
func (r *recovery) passedOver(sc *scanner, pos, at int64, bad, next *record.Batch) (int64, *record.Batch, error) {
	if _, err := sc.batch(pos); err == nil || next.BaseOffset == bad.NextOffset() { // its CRC says so, or its count of offsets
		return at, next, nil
	}
	small := newScanner(sc.file, sc.path, at, readerChunk)
	budget := int64(behindBytesMax)
	for from := pos + 1; ; {
		start, first, err := r.search(small, from, &budget)
		if first == nil || err != nil {
			return at, next, err
		}
		end, last, err := chain(small, start, first)
		if err != nil {
			return at, next, err
		}
		// The contents of a record end before its batch does. Where one of the batches passed over is damaged, too, the count of offsets says where they begin.
		whole := end == at && last <= next.BaseOffset
		if !whole && first.BaseOffset == bad.NextOffset() && last < next.BaseOffset {
			if whole, err = startsAt(small, end, last); err != nil {
				return at, next, err
			}
		}
		if whole {
			return start, first, nil
		}
		from = end // from within the chain it is the same
	}
}

// chain walks from b, the good batch at pos, over good batches of which each begins behind the one before. It returns where they end and the offset behind them.
func chain(sc *scanner, pos int64, b *record.Batch) (end int64, next record.Offset, err error) {
	end, next = pos+int64(b.Size), b.NextOffset()
	for end < sc.end {
		b, err := sc.batch(end)
		var f flaw
		if errors.As(err, &f) || err == nil && b.BaseOffset < next {
			break
		}
		if err != nil {
			return end, next, err
		}
		end, next = end+int64(b.Size), b.NextOffset()
	}
	return end, next, nil
}
