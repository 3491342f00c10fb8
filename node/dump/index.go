package dump

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"strings"

	"odradek/core/record"
)

// Sizes of the entries of Kafka's files (FEATURES §4).
const (
	indexEntrySize    = 8
	timeEntrySize     = 12
	txnEntrySize      = 34
	producerEntrySize = 46
	producerHeader    = 10
)

// place is a batch of the log that an index speaks of.
type place struct {
	pos     int64
	last    record.Offset
	first   record.Offset
	maxTime record.UnixMillis
	soFar   record.UnixMillis // largest time of this batch and those before it
}

// places reads the batches of the .log that belongs to the index being read.
func (j *job) places() ([]place, error) {
	path := strings.TrimSuffix(strings.TrimSuffix(j.path, ".timeindex"), ".index") + ".log"
	r, err := openLog(path)
	if err != nil {
		return nil, err
	}
	defer r.file.Close()
	var all []place
	soFar := record.NoTimestamp
	for {
		at := r.pos
		b, err := r.next()
		if err == io.EOF || errors.Is(err, errPadding) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: position %d: %w", path, at, err)
		}
		soFar = max(soFar, b.MaxTimestamp)
		all = append(all, place{pos: at, first: b.BaseOffset, last: b.LastOffset(), maxTime: b.MaxTimestamp, soFar: soFar})
	}
}

// entries reads an index into entries of one size; a rest that is no entry is a problem.
func (j *job) entries(size int) ([][]byte, error) {
	data, err := os.ReadFile(j.path)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for at := 0; at+size <= len(data); at += size {
		all = append(all, data[at:at+size])
	}
	if rest := len(data) % size; rest != 0 {
		return all, j.stop(int64(len(data)-rest), "%d bytes are no entry of %d", rest, size)
	}
	return all, nil
}

// used cuts the zeros off with which a growing index is made longer beforehand: an entry that says the segment's first offset is none, save the first.
func (j *job) used(all [][]byte, offsetAt int) [][]byte {
	n := len(all)
	for i, e := range all {
		zero := binary.BigEndian.Uint32(e[offsetAt:]) == 0
		if zero && (i > 0 || binary.BigEndian.Uint64(e) == 0 && n > 1 && binary.BigEndian.Uint32(all[1][offsetAt:]) == 0) {
			n = i
			break
		}
	}
	if n < len(all) {
		size := len(all[0])
		j.show("padding", field{"position", n * size}, field{"bytes", (len(all) - n) * size})
		for i, e := range all[n:] {
			if strings.Trim(string(e), "\x00") != "" {
				j.check(false, int64((n+i)*size), "an entry behind the zeros that end the index")
				break
			}
		}
	}
	return all[:n]
}

// offsetIndex reads an .index: an entry names the last offset of the batch that starts at its position.
func (j *job) offsetIndex() error {
	all, err := j.entries(indexEntrySize)
	if err != nil {
		return err
	}
	all = j.used(all, 0)
	var batches []place
	if j.verify {
		if batches, err = j.places(); err != nil {
			return fmt.Errorf("the log it belongs to: %w", err)
		}
	}
	base := baseOf(j.path)
	lastOffset, lastPos := record.NoOffset, int64(-1)
	for i, e := range all {
		at := int64(i * indexEntrySize)
		offset, pos := base+record.Offset(binary.BigEndian.Uint32(e)), int64(int32(binary.BigEndian.Uint32(e[4:])))
		j.show("entry", field{"offset", offset}, field{"position", pos})
		j.check(offset > lastOffset, at, "offset %d does not follow %d", offset, lastOffset)
		j.check(pos > lastPos, at, "position %d does not follow %d", pos, lastPos)
		lastOffset, lastPos = offset, pos
		if !j.verify {
			continue
		}
		k := sort.Search(len(batches), func(k int) bool { return batches[k].pos >= pos })
		if k == len(batches) || batches[k].pos != pos {
			j.problem(at, "no batch of the log begins at position %d", pos)
		} else if batches[k].last != offset {
			j.problem(at, "the entry says offset %d; the batch at position %d ends at %d", offset, pos, batches[k].last)
		}
	}
	j.sum("index", field{"entries", len(all)})
	return nil
}

// timeIndex reads a .timeindex: an entry names the largest time so far and the last offset of the batch that holds it.
func (j *job) timeIndex() error {
	all, err := j.entries(timeEntrySize)
	if err != nil {
		return err
	}
	all = j.used(all, 8)
	var batches []place
	if j.verify {
		if batches, err = j.places(); err != nil {
			return fmt.Errorf("the log it belongs to: %w", err)
		}
	}
	base := baseOf(j.path)
	lastOffset, lastTime := record.NoOffset, record.NoTimestamp
	for i, e := range all {
		at := int64(i * timeEntrySize)
		time, offset := record.UnixMillis(binary.BigEndian.Uint64(e)), base+record.Offset(binary.BigEndian.Uint32(e[8:]))
		j.show("entry", field{"time", time}, field{"offset", offset})
		j.check(time > lastTime, at, "time %d does not follow %d", time, lastTime)
		j.check(offset > lastOffset, at, "offset %d does not follow %d", offset, lastOffset)
		lastOffset, lastTime = offset, time
		if !j.verify {
			continue
		}
		k := sort.Search(len(batches), func(k int) bool { return batches[k].last >= offset })
		switch {
		case k == len(batches) || batches[k].first > offset:
			j.problem(at, "the log has no offset %d", offset)
		case batches[k].last != offset:
			j.problem(at, "the entry says offset %d, but the batch that holds it ends at %d", offset, batches[k].last)
		case batches[k].maxTime != time:
			j.problem(at, "the entry says time %d; the batch with offset %d has %d", time, offset, batches[k].maxTime)
		case batches[k].soFar != time:
			j.problem(at, "time %d is not the largest up to offset %d: %d is", time, offset, batches[k].soFar)
		}
	}
	j.sum("timeindex", field{"entries", len(all)})
	return nil
}

// txnIndex reads a .txnindex: the aborted transactions whose markers lie in the segment.
func (j *job) txnIndex() error {
	all, err := j.entries(txnEntrySize)
	if err != nil {
		return err
	}
	before := record.NoOffset
	for i, e := range all {
		at := int64(i * txnEntrySize)
		u := binary.BigEndian.Uint64
		version := int16(binary.BigEndian.Uint16(e))
		producer, first, last, stable := record.ProducerID(u(e[2:])), record.Offset(u(e[10:])), record.Offset(u(e[18:])), record.Offset(u(e[26:]))
		j.show("aborted", field{"producer", producer}, field{"first", first}, field{"last", last}, field{"stable", stable})
		j.check(version == 0, at, "version %d", version)
		j.check(producer >= 0 && first >= 0 && first <= last, at, "producer %d aborts offsets %d..%d", producer, first, last)
		j.check(last > before, at, "the marker at offset %d does not follow the one at %d", last, before)
		before = last
	}
	j.sum("txnindex", field{"entries", len(all)})
	return nil
}

// producers reads a .snapshot: what is known of each producer below the offset in its name.
func (j *job) producers() error {
	data, err := os.ReadFile(j.path)
	if err != nil {
		return err
	}
	if len(data) < producerHeader {
		return j.stop(0, "%d bytes are less than a header", len(data))
	}
	u16, u32, u64 := binary.BigEndian.Uint16, binary.BigEndian.Uint32, binary.BigEndian.Uint64
	j.check(u16(data) == 1, 0, "version %d, want 1", int16(u16(data)))
	sum := crc32.Checksum(data[6:], crc32.MakeTable(crc32.Castagnoli))
	j.check(sum == u32(data[2:]), 2, "CRC is %08x, the header says %08x", sum, u32(data[2:]))
	n := int64(int32(u32(data[6:])))
	if want := producerHeader + n*producerEntrySize; want != int64(len(data)) {
		return j.stop(6, "%d producers take %d bytes, the file has %d", n, want, len(data))
	}
	end := baseOf(j.path)
	seen := map[record.ProducerID]record.Offset{} // several entries of one producer are its last batches, oldest first
	for at := producerHeader; at < len(data); at += producerEntrySize {
		e := data[at:]
		id, last := record.ProducerID(u64(e)), record.Offset(u64(e[14:]))
		j.show("producer", field{"producer", id}, field{"producerepoch", int16(u16(e[8:]))}, field{"lastsequence", int32(u32(e[10:]))}, field{"lastoffset", last},
			field{"offsetdelta", int32(u32(e[22:]))}, field{"time", int64(u64(e[26:]))}, field{"coordinatorepoch", int32(u32(e[34:]))},
			field{"transactionfirst", int64(u64(e[38:]))})
		before, again := seen[id]
		j.check(id >= 0 && (!again || before < last), int64(at), "producer %d is none, or its last offset %d does not follow %d", id, last, before)
		j.check(end < 0 || last < end, int64(at), "last offset %d of producer %d lies beyond the snapshot's %d", last, id, end)
		seen[id] = last
	}
	j.sum("snapshot", field{"producers", len(seen)})
	return nil
}
