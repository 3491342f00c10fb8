package segment

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"odradek/core/record"
	"odradek/disk/vfs"
)

// A durable log's last segment that grows by small appends is made longer in steps of zeros, synced with the append that makes them (decision 11). The appends behind
// change bytes that the file has already, and a sync of these is cheaper than one of a length.
//
// Invariant: behind the last batch of a segment its file holds zeros or ends; only the last segment's file holds any, since a roll cuts them off before the next file
// is made, and none after a clean stop. So whoever goes by the lengths of files meets them after a crash alone.

// A step is a quarter of what the segment holds, so that a partition of little use takes little room, from fillStep/fillLeast up to fillStep. An append of more than
// fillStep/fillLarge makes none: it pays for its bytes, not for the length, and the zeros would be as many bytes again.
const (
	fillLeast = 16
	fillLarge = 4
)

// step is how many zeros go behind the last batch of a segment that has grown to size bytes by an append of wrote.
func (o *Options) step(size, wrote int64) int64 {
	n := min(o.FillStep, size/4)
	if n < o.FillStep/fillLeast || wrote > o.FillStep/fillLarge || size+n > math.MaxInt32 { // no more than Kafka reads
		return 0
	}
	return n
}

// fill puts a step of zeros behind the last batch of s, if the append just made, of wrote bytes, has used up the step before.
func (d *Dir) fill(l *Log, s *segment, wrote int64) error {
	size := int64(s.size)
	step := d.options.step(size, wrote)
	if size < s.filled || step == 0 {
		return nil
	}
	if int64(len(d.zeros)) < step {
		d.zeros = make([]byte, d.options.FillStep)
	}
	n, err := s.file.WriteAt([][]byte{d.zeros[:step]}, size)
	s.filled = size + n
	l.beside += n
	d.beside += n
	if errors.Is(err, vfs.ErrNoSpace) {
		return nil // the append is in the file: only one that does not fit is refused
	}
	if err == nil && n != step {
		err = fmt.Errorf("%s at %d: %d of %d zeros written: %w", l.path(s.base), size, n, step, vfs.ErrIO)
	}
	return err
}

// trim cuts the zeros off the last segment's file. The next sync of the file makes that durable.
func (l *Log) trim() error {
	s := l.last()
	if s == nil || s.filled <= int64(s.size) {
		return nil
	}
	l.markDirty(s.file)
	if err := s.file.Truncate(int64(s.size)); err != nil {
		return err
	}
	s.filled = 0
	return nil
}

// used returns where the zeros begin with which the file ends, or pos if that is later.
func (s *scanner) used(pos int64) (int64, error) {
	for end := s.end; end > pos; {
		from := max(pos, end-int64(len(s.buf)))
		w, err := s.window(from, int(end-from))
		if err != nil {
			return 0, err
		}
		if n := trimZeros(w[:end-from]); n > 0 {
			return from + int64(n), nil
		}
		end = from
	}
	return pos, nil
}

// trimZeros returns the length of p without the zeros at its end: a page at a time, since steps are long.
func trimZeros(p []byte) int {
	const page = 4 << 10
	for len(p) >= page {
		last := p[len(p)-page:]
		if last[0] != 0 || !bytes.Equal(last[1:], last[:page-1]) {
			break
		}
		p = p[:len(p)-page]
	}
	return len(bytes.TrimRight(p, "\x00"))
}

// filledEnd is the end of the file as it would be without such zeros: they are left out from the next sector on. It is pos if nothing else is there.
func (s *scanner) filledEnd(pos int64) (int64, error) {
	used, err := s.used(pos)
	if used == pos {
		return pos, err
	}
	return min((used+sector-1)/sector*sector, s.end), err
}

// endZeros is how many zeros the last batch is taken to end with, at most, by wholeBut.
const endZeros = 64 << 10

// wholeBut reports whether the bytes from pos on, up to the zeros at the file's end or to some place among them, are a batch of this CRC, and where it ends.
func (s *scanner) wholeBut(pos int64, crc uint32) (bool, int64, error) {
	end, err := s.used(pos + record.HeaderSize)
	if err != nil {
		return false, 0, err
	}
	sum, err := s.sum(pos+crcFrom, end)
	if err != nil {
		return false, 0, err
	}
	for last := min(s.end, end+endZeros); sum != crc && end < last; end++ {
		sum = crc32.Update(sum, castagnoli, []byte{0})
	}
	return sum == crc, end, nil
}
