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

// behind looks for a valid batch that could continue the log from the flaw at pos on: in the rest of the file, then in the later segments. "" if
// there is none, else words that say where, and its position. The batch at pos itself counts: if only its epoch is wrong, that epoch or the one before it may be
// what changed, for no CRC covers them.
func (r *recovery) behind(sc *scanner, pos int64, later []record.Offset) (found string, at int64, err error) {
	budget := int64(behindBytesMax)
	found, at, err = r.search(sc, pos, &budget)
	for i := 0; i < len(later) && err == nil && found == ""; i++ {
		found, at, err = r.searchFile(later[i], &budget)
	}
	return found, at, err
}

func (r *recovery) searchFile(base record.Offset, budget *int64) (string, int64, error) {
	path := r.log.path(base)
	file, err := r.dir.fs.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return "", 0, err
	}
	return r.search(&scanner{file: file, path: path, end: size, buf: r.buf}, 0, budget)
}

// search tries every position from pos on. A batch counts if its CRC holds and its offset lies not before the log's end.
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

// sectorSize is the least that a disk writes at once, in bytes.
const sectorSize = 512

// neverWritten reports whether a whole sector of the file, or the part of one, between two positions is zero throughout: what a power loss leaves of a write
// whose length reached the disk and whose bytes did not. A disk that loses what it had leaves other bytes, or an error; a batch whose bytes end with zeros just
// where a sector begins and which rots besides is taken for one never written.
func neverWritten(sc *scanner, from, to int64) (bool, error) {
	for from < to {
		end := min(from/sectorSize*sectorSize+sectorSize, to)
		w, err := sc.window(from, int(end-from))
		if err != nil {
			return false, err
		}
		if len(bytes.TrimLeft(w[:end-from], "\x00")) == 0 {
			return true, nil
		}
		from = end
	}
	return false, nil
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

func (d *Dir) sizeOf(path string) (int64, error) {
	file, err := d.fs.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return file.Size()
}
