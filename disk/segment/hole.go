package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// A crafted tail could make each of its bytes look like the header of a long batch. So many bytes are checksummed in search of a valid one, then
// the search gives up and the tail counts as damage, which is the answer that destroys nothing.
const behindBytesMax = 256 << 20

// sector is the unit in which a disk loses writes at a power failure.
const sector = 512

// damaged decides whether the flaw at pos in the last segment taken in is damage, in words, or "" for the trace of an interrupted write, which may be
// cut. Where later segments exist it is damage: they were begun when everything before them was durable (see seal). In the last segment it is damage
// if a valid batch lies behind and nothing between shows a write that never reached the disk.
//
// A lost write shows as zeros: files only grow, so a sector that was never written back reads as zeros from where its last write that was ended. Bit rot
// leaves no such sector. A batch whose own payload has a sector of zeros and that rots could be taken for a lost write; the recovery point will bound
// where that can be.
func (r *recovery) damaged(sc *scanner, pos int64, later []record.Offset) (string, error) {
	if len(later) > 0 {
		return fmt.Sprintf("the segment is not the last: %s follows", r.log.path(later[0])), nil
	}
	if r.misplaced() {
		return "no segment holds what lies between", nil
	}
	budget := int64(behindBytesMax)
	found, at, err := r.search(sc, pos, &budget)
	if err != nil || found == "" {
		return "", err
	}
	lost, err := zeroSector(sc, pos, at)
	if lost || err != nil {
		return "", err
	}
	return found, nil
}

// zeroSector reports whether some sector's part of [from, to) is all zeros.
func zeroSector(sc *scanner, from, to int64) (bool, error) {
	for from < to {
		end := min(to, (from/sector+1)*sector)
		w, err := sc.window(from, int(end-from))
		if err != nil {
			return false, err
		}
		if len(bytes.Trim(w[:end-from], "\x00")) == 0 {
			return true, nil
		}
		from = end
	}
	return false, nil
}

// search tries every position from pos on for a valid batch that could continue the log, and says in words what it found and where. The batch at pos
// itself counts: if only its epoch is wrong, that epoch or the one before it may be what changed, for no CRC covers them. A batch counts if its CRC holds
// and its offset lies not before the log's end.
func (r *recovery) search(sc *scanner, pos int64, budget *int64) (string, int64, error) {
	const magicAt = 16
	for sc.end-pos >= record.HeaderSize {
		w, err := sc.window(pos, record.HeaderSize)
		if err != nil {
			return "", 0, err
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
				return fmt.Sprintf("a valid batch of offset %d is there (%s at %d)", b.BaseOffset, sc.path, pos), pos, nil
			}
			if !errors.As(err, &f) {
				return "", 0, err
			}
			if *budget -= int64(b.Size); *budget < 0 {
				return fmt.Sprintf("a valid batch may be there: the search ended undecided (%s at %d)", sc.path, pos), pos, nil
			}
		}
		pos++
	}
	return "", 0, nil
}

// plausible reports whether a header could be that of a batch which continues the log; it is cheap and says nothing of the CRC.
func (r *recovery) plausible(h []byte, left int64) bool {
	size := int64(int32(binary.BigEndian.Uint32(h[8:]))) + record.LogOverhead
	base := record.Offset(binary.BigEndian.Uint64(h))
	return size >= record.HeaderSize && size <= left && base >= r.log.next
}

// dropBehind removes the files behind the log's damage, from the last backwards, each durably before the next, so that a crash leaves no gap.
func (d *Dir) dropBehind(l *Log) error {
	for n := len(l.behind); n > 0; n = len(l.behind) {
		if err := d.fs.Remove(l.path(l.behind[n-1])); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
		if err := d.removeIndexes(l.folder, l.behind[n-1]); err != nil {
			return err
		}
		if err := d.fs.SyncDir(l.folder); err != nil {
			return err
		}
		l.behind = l.behind[:n-1]
	}
	l.behind = nil
	return nil
}

// cutLast cuts the last segment's file at size, durably; it also takes away the bytes of a damaged tail.
func (d *Dir) cutLast(l *Log, size stream.Pos) error {
	s := l.last()
	if err := s.file.Truncate(int64(size)); err != nil {
		return err
	}
	return s.file.SyncData()
}
