package segment

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// readState reads what is known of the log below its recovery point, and finds where reading has to begin: there, at the newest good snapshot below it if that of
// the point is not good, or at the log's start if there is none or the file of epochs is not good.
func (r *recovery) readState(names []string, bases []record.Offset) error {
	if len(bases) == 0 {
		r.from = r.point
		return nil
	}
	r.from = bases[0]
	l := r.log
	if !r.distrusts && slices.Contains(names, epochsFile) {
		text, err := readSmall(r.dir.fs, l.folder+"/"+epochsFile, false)
		if err != nil {
			return err
		}
		l.epochs, _ = parseEpochs(text) // as good as none
	}
	limit := max(bases[0], r.point)
	if l.epochs == nil {
		limit = bases[0] // all is read; of producers whose batches were deleted nothing else tells
	}
	at, err := r.readSnapshot(names, limit)
	if err != nil || at == record.NoOffset || at <= bases[0] {
		return err
	}
	r.from, l.stateEnd = at, at
	for _, e := range l.epochs {
		if e.Start < r.from {
			r.epochs, r.epoch = append(r.epochs, e), e.Epoch
		}
	}
	return nil
}

// readSnapshot reads the newest good snapshot at or below limit and returns its offset, or NoOffset.
func (r *recovery) readSnapshot(names []string, limit record.Offset) (record.Offset, error) {
	for i := len(names) - 1; i >= 0; i-- { // names are sorted
		at, ok := parseSnapshotName(names[i])
		if !ok || at > limit {
			continue
		}
		text, err := readSmall(r.dir.fs, r.log.folder+"/"+names[i], false)
		if err != nil {
			return at, err
		}
		entries, err := ParseSnapshot(text)
		if err != nil {
			continue // Kafka, too, takes the one before
		}
		for _, e := range entries {
			w := producerWindow(e)
			r.producers[e.ID] = &w
		}
		return at, nil
	}
	return record.NoOffset, nil
}

// renewSnapshot sees that the snapshot at a segment's base is whole, since it is all that tells of producers when what is before it is deleted; a power loss may have
// left its name without its bytes. What it must hold is known here: everything below is read.
func (r *recovery) renewSnapshot(base record.Offset) error {
	name := snapshotName(base)
	text, err := readSmall(r.dir.fs, r.log.folder+"/"+name, false)
	if err == nil {
		if _, err = ParseSnapshot(text); err == nil {
			return nil
		}
	} else if !errors.Is(err, vfs.ErrNotExist) {
		return err
	}
	r.renewed = append(r.renewed, base)
	return r.dir.replace(r.log, name, FormatSnapshot(r.producers.entries()))
}

func producerBatch(b *record.Batch) producer.Appended {
	return producer.Appended{FirstSequence: b.BaseSequence, LastSequence: b.LastSequence(), BaseOffset: b.BaseOffset, LastOffset: b.LastOffset(),
		Timestamp: b.MaxTimestamp}
}

// known takes over a closed segment from its indexes: only the batches behind the last entry are looked at. ok is false, and nothing is changed, if they do not
// fit the log or reach into the segment behind it, which begins at next: no CRC covers an offset.
func (r *recovery) known(sc *scanner, next record.Offset) (ok bool, err error) {
	s := r.log.last()
	x := index{base: s.base, files: &indexFiles{}}
	defer func() {
		if !ok {
			err = errors.Join(err, x.drop())
		}
	}()
	if ok, err = r.mapWhole(&x.files.offsets, r.log.folder+"/"+indexName(s.base), &x.offsets, offsetEntry); !ok {
		return false, err
	}
	if ok, err = r.mapWhole(&x.files.times, r.log.folder+"/"+timeIndexName(s.base), &x.times, timeEntry); !ok {
		return false, err
	}
	end := *s
	end.index = x
	if n := len(x.times) / timeEntry; n > 0 {
		end.maxTS, end.maxAt = x.timeEntry(n - 1)
	}
	first := true
	for pos := int64(x.indexed()); pos < sc.end; {
		b, err := sc.header(pos)
		if err != nil {
			var f flaw
			if errors.As(err, &f) {
				err = nil
			}
			return false, err
		}
		if first && x.count() > 0 {
			if last, _ := x.entry(x.count() - 1); last != b.LastOffset() {
				return false, nil
			}
		}
		if b.BaseOffset < end.next || b.NextOffset() > next || b.MaxTimestamp > end.maxTS {
			return false, nil
		}
		first = false
		pos += int64(b.Size)
		end.size, end.next = stream.Pos(pos), b.NextOffset()
	}
	if int64(end.size) != sc.end {
		return false, nil
	}
	if n := len(x.times) / timeEntry; n > 0 {
		small := newScanner(sc.file, sc.path, sc.end, readerChunk)
		if _, ok, err := x.timeVouched(small, n-1); !ok || err != nil {
			return false, err
		}
	}
	*s = end
	r.log.next = max(r.log.next, s.next)
	return true, nil
}

// mapWhole maps an index file that is whole: entries to its end. ok is false if it is missing or other.
func (r *recovery) mapWhole(f *indexFile, path string, entries *[]byte, entry int64) (ok bool, err error) {
	file, err := r.dir.fs.Open(path)
	if errors.Is(err, vfs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	size, err := file.Size()
	if err == nil && size%entry == 0 {
		ok = true
		if size > heapIndex {
			err = f.mapIn(file, size, entries)
		} else if *entries = make([]byte, size); size > 0 {
			_, err = file.ReadAt(*entries, 0)
		}
	}
	return ok && err == nil, errors.Join(err, file.Close())
}

// resume finds the place in the segment from which on batches have to be read, and takes over the index entries before it. They are good if they lie below the
// recovery point; behind may be zeros or what a crash left. Where they do not fit the log, the whole segment is read.
func (r *recovery) resume(sc *scanner, next record.Offset) error {
	s := r.log.last()
	s.next = r.log.next
	if r.from <= s.base {
		return nil
	}
	x := index{base: s.base}
	var err error
	if x.offsets, err = r.prefix(indexName(s.base), offsetEntry, func(e []byte) bool {
		rel := record.Offset(binary.BigEndian.Uint32(e))
		return rel > 0 && s.base+rel < r.from && int64(binary.BigEndian.Uint32(e[4:])) < sc.end
	}); err != nil || len(x.offsets) == 0 {
		return err
	}
	if x.times, err = r.prefix(timeIndexName(s.base), timeEntry, func(e []byte) bool {
		rel := record.Offset(binary.BigEndian.Uint32(e[8:]))
		return binary.BigEndian.Uint64(e)|uint64(rel) != 0 && s.base+rel < r.from
	}); err != nil || len(x.times) == 0 {
		return err
	}
	last, pos := x.entry(x.count() - 1)
	b, err := sc.header(int64(pos))
	var f flaw
	if errors.As(err, &f) || err == io.EOF || err == nil && b.LastOffset() != last {
		return nil
	}
	if err != nil {
		return err
	}
	due := r.log.next
	if n := x.count(); n > 1 {
		before, _ := x.entry(n - 2)
		due = max(due, before+1)
	}
	if b.BaseOffset < due {
		return nil
	}
	if ok, err := x.timesReach(newScanner(sc.file, sc.path, sc.end, readerChunk), int64(pos)); !ok || err != nil {
		return err
	}
	r.log.next = b.BaseOffset // what is between lies below the recovery point
	s.index, s.size, s.next = x, pos, b.BaseOffset
	s.maxTS, s.maxAt = x.timeEntry(len(x.times)/timeEntry - 1)
	r.kept[len(r.kept)-1] = keptIndex{len(x.offsets), len(x.times)}
	return nil
}

// prefix returns a copy of the first entries of an index file, up to the first for which good is false. The file of a segment that grows is as long as it may become,
// with zeros behind its entries: it is read in pieces.
func (r *recovery) prefix(name string, entry int64, good func([]byte) bool) ([]byte, error) {
	file, err := r.dir.fs.Open(r.log.folder + "/" + name)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	size = min(size, 1<<31) / entry * entry
	var entries []byte
	kept := int64(0)
	for read := int64(0); read == kept && read < size; read = int64(len(entries)) {
		entries = append(entries, make([]byte, min(size-read, max(read, prefixFirst*entry)))...)
		if _, err = file.ReadAt(entries[read:], read); err != nil {
			return nil, err
		}
		for kept < int64(len(entries)) && good(entries[kept:kept+entry]) {
			kept += entry
		}
	}
	return entries[:kept], nil
}

// prefixFirst is how many entries are read first.
const prefixFirst = 128
