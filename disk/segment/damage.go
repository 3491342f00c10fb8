package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
)

// A crafted tail could make each of its bytes look like the header of a long batch. So many bytes are checksummed in search of a valid one, then
// the search gives up and the tail counts as damage, which is the answer that destroys nothing.
const behindBytesMax = 256 << 20

// sector is the unit in which a disk loses writes at a power failure.
const sector = 512

// lengthEnd is where the length of a batch ends, behind its offset. It is not zero.
const lengthEnd = 12

// mend ends the log at a flaw in the last segment taken in, if an interrupted write can have left it, and cuts it there; else it enters the offsets as lost and goes
// on behind the damage. more is true if batches follow in this segment. next is the base of the segment behind it, or NoOffset.
func (r *recovery) mend(sc *scanner, why error, next record.Offset) (more bool, err error) {
	l, s := r.log, r.log.last()
	pos := int64(s.size)
	found, err := r.damaged(sc, pos, next)
	if err != nil {
		return false, err
	}
	if found == "" {
		end, err := sc.filledEnd(pos)
		if err != nil {
			return false, err
		}
		if end == pos {
			s.filled = sc.end
			return false, l.trim() // zeros that come back with a power loss are cut by the next recovery
		}
		r.cut += end - pos
		return false, r.dir.cutLast(l, s.size)
	}
	story := fmt.Sprintf("%s at %d: %v; yet %s", sc.path, pos, why, found)
	at, b, err := r.behind(sc, pos)
	if err != nil {
		return false, err
	}
	if b != nil && (next == record.NoOffset || b.BaseOffset < next) {
		r.lose(b.BaseOffset, story)
		s.size, s.next = stream.Pos(at), l.next
		s.leaps = append(s.leaps, leap{b.BaseOffset, s.size})
		r.closes = r.closes || next == record.NoOffset
		return true, nil
	}
	if next != record.NoOffset {
		r.lose(max(next, l.next), story)
		return false, nil
	}
	span, err := r.span(sc, pos)
	if err != nil {
		return false, err
	}
	r.lose(max(r.floor, l.next+span), story)
	return false, r.goOn()
}

// deletedUnsynced reports whether what the log lacks up to its floor was deleted, maybe before it was durable: a start that deleted records have moved to a relaxed log's end counts as
// durable, and committed, as if they had been. Only where nothing follows: what does may lie behind the start.
func (r *recovery) deletedUnsynced(sc *scanner, pos int64) (bool, error) {
	if r.log.next < r.point || r.floor > r.start {
		return false, nil
	}
	budget := int64(behindBytesMax)
	_, b, err := r.search(sc, pos+1, &budget)
	return b == nil && budget >= 0, err
}

// span returns how many offsets the damaged batches at the log's end had, by what is left of their headers: as many as either number of each says, and one for each byte
// from where no header can be read, so that none of them is given out again.
func (r *recovery) span(sc *scanner, pos int64) (record.Offset, error) {
	end, err := sc.filledEnd(pos)
	if err != nil {
		return 0, err
	}
	defer func(whole int64) { sc.end = whole }(sc.end)
	sc.end = end // a step of zeros behind them says nothing
	total := record.Offset(0)
	for {
		w, err := sc.window(pos, record.HeaderSize)
		if err != nil || len(w) < record.HeaderSize {
			return max(1, total), err
		}
		be := binary.BigEndian
		n := max(1, record.Offset(int32(be.Uint32(w[23:])))+1, record.Offset(int32(be.Uint32(w[57:]))))
		b, err := parseHeader(w, sc.end-pos)
		if err != nil {
			end, _ := extent(w, pos, sc.end)
			if unwritten, err := r.zeroSector(sc, pos, end); unwritten || err != nil {
				return total + n, err // most of it, at least, was never written
			}
			return total + max(n, record.Offset(sc.end-pos)), nil
		}
		total += n
		pos += int64(b.Size)
	}
}

// lose enters offsets from the log's end up to but not including to as lost. The log goes on there.
func (r *recovery) lose(to record.Offset, why string) {
	l := r.log
	if n := len(r.lost); n > 0 && r.lost[n-1].To == l.next && !r.lost[n-1].Gap {
		r.lost[n-1].To = to
	} else if to > l.next {
		r.lost = append(r.lost, core.OffsetRange{From: l.next, To: to, Why: why})
	}
	l.next = to
	if s := l.last(); s != nil && s.next < to && s.base <= to {
		s.next = to
	}
}

// goOn begins a segment at the log's end, durably, behind one that is damaged: nothing is written over it, and whoever reads it again knows that no write of it was interrupted, though
// the recovery point, which no lost range is below, says so no more. What it holds is made durable first (see seal).
func (r *recovery) goOn() error {
	l := r.log
	s := l.last()
	if s.base == l.next {
		return nil
	}
	if err := s.file.SyncData(); err != nil {
		return err
	}
	file, err := r.dir.createNew(l.path(l.next))
	if err != nil {
		return err
	}
	l.segs = append(l.segs, newSegment(l.next, file))
	r.kept = append(r.kept, keptIndex{})
	return r.dir.fs.SyncDir(l.folder)
}

// damaged decides whether the flaw at pos in the last segment taken in is damage, in words, or "" for the trace of an interrupted write, which may be
// cut. Where a segment follows it is damage: it was begun when everything before was durable (see seal). Below the floor it is damage, for that was durable
// once (but see deletedUnsynced). Else an interrupted write leaves one of two things: a file that ends inside a batch, or zeros, because files only grow, so that a sector which was never
// written back reads as zeros from where its last write that was ended. Bit rot leaves neither. (A batch whose own payload has a sector of zeros and that rots
// could be taken for a lost write; but only above the floor.)
func (r *recovery) damaged(sc *scanner, pos int64, next record.Offset) (string, error) {
	if next != record.NoOffset {
		return fmt.Sprintf("the segment is not the last: %s follows", r.log.path(next)), nil
	}
	if r.log.next < r.floor {
		if deleted, err := r.deletedUnsynced(sc, pos); !deleted || err != nil {
			return fmt.Sprintf("offsets below %d were durable", r.floor), err
		}
	}
	if used, err := sc.used(pos); used == pos || err != nil {
		return "", err
	}
	if b, err := sc.batch(pos); err == nil {
		// No CRC covers its offset. If a sector ends within the length behind it, the write of just that sector may be lost.
		if edge := (pos/sector + 1) * sector; edge-pos < lengthEnd {
			if lost, err := r.zeroSector(sc, pos, edge); lost || err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("the batch, of base offset %d and epoch %d, is whole", b.BaseOffset, b.LeaderEpoch), nil
	}
	budget := int64(behindBytesMax)
	at, b, err := r.search(sc, pos+1, &budget)
	if err != nil {
		return "", err
	}
	var found string
	switch {
	case b != nil:
		found = fmt.Sprintf("a valid batch of offset %d is there (%s at %d)", b.BaseOffset, sc.path, at)
	case budget < 0:
		found = fmt.Sprintf("a valid batch may be there: the search ended undecided (%s at %d)", sc.path, at)
	default:
		found = "no write was interrupted there: the file holds all of it"
		short, end, err := r.endsInside(sc, pos)
		if short || err != nil {
			return "", err
		}
		at = end
	}
	lost, err := r.zeroSector(sc, pos, at)
	if lost || err != nil {
		return "", err
	}
	return found, nil
}

// endsInside reports whether the file ends before the batch at pos does, and else where the batch ends. If the bytes up to the file's end, or up to some place in the
// zeros before it, have the CRC of its header, they are the batch, and the length is what is wrong: it may end behind the file's end, or within zeros that no batch has.
func (r *recovery) endsInside(sc *scanner, pos int64) (short bool, end int64, err error) {
	w, err := sc.window(pos, record.HeaderSize)
	if err != nil || sc.end-pos < record.HeaderSize {
		return true, 0, err
	}
	end, fits := extent(w, pos, sc.end)
	whole, at, err := sc.wholeBut(pos, binary.BigEndian.Uint32(w[17:]))
	if whole || err != nil {
		return false, at, err
	}
	return !fits, end, nil
}

// extent returns where the batch at pos ends, by the length in its header: a write that was interrupted left that, or zeros in its place. What lies behind is of
// another write, and says nothing of this one. It is the file's end if the length cannot be right.
func extent(header []byte, pos, fileEnd int64) (end int64, fits bool) {
	size := int64(int32(binary.BigEndian.Uint32(header[8:]))) + record.LogOverhead
	if size < record.HeaderSize || size > fileEnd-pos {
		return fileEnd, false
	}
	return pos + size, true
}

// zeroSector reports whether some sector's part of [from, to) is all zeros though it was not written so: a batch of the offset that is due begins with zeros itself,
// and may end with one.
func (r *recovery) zeroSector(sc *scanner, from, to int64) (bool, error) {
	due := binary.BigEndian.AppendUint64(nil, uint64(r.log.next))
	for at := from; at < to; {
		end := min(to, (at/sector+1)*sector)
		w, err := sc.window(at, int(end-at))
		if err != nil {
			return false, err
		}
		begins := at == from && end-at < lengthEnd && zeros(due[:min(end-at, 8)])
		ends := end == to && end-at == 1 // of records without headers the last byte says so
		if zeros(w[:end-at]) && !begins && !ends {
			return true, nil
		}
		at = end
	}
	return false, nil
}

func zeros(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }

// behind finds the batch with which the log goes on behind the flaw at pos: the one where the batch at pos would end, if its length is to be believed, else the
// first valid one that another or the end of the file follows. A payload may hold what looks like a batch: what a log has is a chain of them. nil if none.
func (r *recovery) behind(sc *scanner, pos int64) (int64, *record.Batch, error) {
	if b, err := sc.header(pos); err == nil {
		at := pos + int64(b.Size)
		next, err := r.candidate(sc, at)
		if err != nil {
			return at, nil, err
		}
		if next != nil {
			return r.passedOver(sc, pos, at, &b, next)
		}
	}
	budget := int64(behindBytesMax)
	first, firstBatch, err := r.search(sc, pos+1, &budget)
	used, usedErr := sc.used(pos)
	err = errors.Join(err, usedErr)
	for at, b := first, firstBatch; b != nil && err == nil; at, b, err = r.search(sc, at+1, &budget) {
		end := at + int64(b.Size)
		if end >= used {
			return at, b, nil
		}
		if next, err := r.candidate(sc, end); next != nil || err != nil {
			return at, b, err
		}
		// Between two damaged batches a good one is no chain. What is left of the one behind it says whether it follows.
		if follows, err := startsAt(sc, end, b.NextOffset()); follows || err != nil {
			return at, b, err
		}
	}
	return first, firstBatch, err
}

// startsAt reports whether what stands at pos begins with the base offset next.
func startsAt(sc *scanner, pos int64, next record.Offset) (bool, error) {
	w, err := sc.window(pos, record.HeaderSize)
	return err == nil && len(w) >= record.HeaderSize && record.Offset(binary.BigEndian.Uint64(w)) == next, err
}

// candidate returns the batch at pos if it is valid and may continue the log, else nil.
func (r *recovery) candidate(sc *scanner, pos int64) (*record.Batch, error) {
	b, err := sc.batch(pos)
	var f flaw
	if errors.As(err, &f) || err == io.EOF {
		return nil, nil
	}
	if err != nil || b.BaseOffset < r.log.next || b.LastOffset()-r.log.last().base > 1<<31-1 || b.BaseOffset >= r.from && b.LeaderEpoch < r.epoch {
		return nil, err
	}
	return &b, nil
}

// search tries every position from pos on for a valid batch that could continue the log. A batch counts if its CRC holds and its offset lies not before the
// log's end. budget falls below zero if the search gave up, at the position returned.
func (r *recovery) search(sc *scanner, pos int64, budget *int64) (int64, *record.Batch, error) {
	const magicAt = 16
	for sc.end-pos >= record.HeaderSize {
		w, err := sc.window(pos, record.HeaderSize)
		if err != nil {
			return pos, nil, err
		}
		skip := bytes.IndexByte(w[magicAt:], 2)
		if skip < 0 {
			pos += int64(len(w) - magicAt)
			continue
		}
		if skip > 0 {
			pos += int64(skip)
			continue // the window again, from there on: the header must lie in it whole
		}
		if r.plausible(w, sc.end-pos) {
			b, err := sc.batch(pos)
			var f flaw
			if err == nil {
				return pos, &b, nil
			}
			if !errors.As(err, &f) {
				return pos, nil, err
			}
			if *budget -= int64(b.Size); *budget < 0 {
				return pos, nil, nil
			}
		}
		pos++
	}
	return pos, nil, nil
}

// plausible reports whether a header could be that of a batch which continues the log; it is cheap and says nothing of the CRC.
func (r *recovery) plausible(h []byte, left int64) bool {
	size := int64(int32(binary.BigEndian.Uint32(h[8:]))) + record.LogOverhead
	base := record.Offset(binary.BigEndian.Uint64(h))
	return size >= record.HeaderSize && size <= left && base >= r.log.next && base-r.log.last().base < 1<<31
}

// cutLast cuts the last segment's file at size, durably.
func (d *Dir) cutLast(l *Log, size stream.Pos) error {
	s := l.last()
	s.filled = 0
	if err := s.file.Truncate(int64(size)); err != nil {
		return err
	}
	return s.file.SyncData()
}
