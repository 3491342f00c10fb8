package dump

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"odradek/core/image"
	"odradek/core/record"
)

// tail is where a log has come to after some of its segments.
type tail struct {
	base  record.Offset // of the last segment
	next  record.Offset
	epoch record.Epoch
}

// baseOf returns the offset that a file's name says; -1 if it says none.
func baseOf(path string) record.Offset {
	digits, _, _ := strings.Cut(filepath.Base(path), ".")
	digits, _, _ = strings.Cut(digits, "-") // <offset>-<epoch>.checkpoint
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return record.Offset(n)
}

// reader reads the batches of a .log file one by one.
type reader struct {
	file *os.File
	size int64
	pos  int64 // of the next batch
	buf  []byte
}

func openLog(path string) (*reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &reader{file: file, size: st.Size()}, nil
}

// errPadding is the end of a log that was written into a file made longer beforehand (log.preallocate).
var errPadding = errors.New("zeros up to the end of the file")

// next reads the next batch whole; it is valid until the call after. io.EOF at the end, errPadding before zeros up to the end.
func (r *reader) next() (record.Batch, error) {
	left := r.size - r.pos
	if left == 0 {
		return record.Batch{}, io.EOF
	}
	r.room(int(min(left, record.HeaderSize)))
	if _, err := io.ReadFull(io.NewSectionReader(r.file, r.pos, left), r.buf); err != nil {
		return record.Batch{}, err
	}
	b, err := record.ParseHeader(r.buf)
	if err == nil && int64(b.Size) > left {
		err = fmt.Errorf("%w: %d of its %d bytes are there", record.ErrShort, left, b.Size)
	}
	if err != nil {
		if zero, failed := r.zeros(); zero || failed != nil {
			return record.Batch{}, cmp.Or(failed, errPadding)
		}
		return record.Batch{}, err
	}
	r.room(int(b.Size)) // at most what the file holds
	if _, err := io.ReadFull(io.NewSectionReader(r.file, r.pos, left), r.buf); err != nil {
		return record.Batch{}, err
	}
	r.pos += int64(b.Size)
	return record.ParseHeader(r.buf)
}

func (r *reader) room(n int) {
	if cap(r.buf) < n {
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
}

// zeros reports whether nothing but zeros follows.
func (r *reader) zeros() (bool, error) {
	s := io.NewSectionReader(r.file, r.pos, r.size-r.pos)
	chunk := make([]byte, 64<<10)
	for {
		n, err := s.Read(chunk)
		if len(bytes.Trim(chunk[:n], "\x00")) > 0 {
			return false, nil
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// log reads a .log, or a snapshot of the metadata log, which is batches too.
func (j *job) log() error {
	r, err := openLog(j.path)
	if err != nil {
		return err
	}
	defer r.file.Close()
	folder, base := filepath.Dir(j.path), baseOf(j.path)
	snapshot := strings.HasSuffix(j.path, ".checkpoint")
	metadata := j.metadata || snapshot || strings.HasPrefix(filepath.Base(folder), "__cluster_metadata-")
	t := j.folders[folder]
	if snapshot { // its offsets are its own
		t, base = &tail{epoch: record.NoEpoch}, 0
	} else if t == nil || base <= t.base { // the second: files in no order
		t = &tail{epoch: record.NoEpoch}
		j.folders[folder] = t
	}
	t.base = base
	j.check(base >= 0, -1, "the name does not begin with a base offset")
	j.check(base < 0 || base >= t.next, 0, "the segment begins at offset %d, but the one before it ends at %d", base, t.next)
	if base > t.next {
		t.next = base
	}
	var batches, records int64
	first := t.next
	for {
		at := r.pos
		b, err := r.next()
		switch {
		case err == io.EOF:
			j.sum("log", field{"batches", batches}, field{"records", records}, field{"offsets", fmt.Sprintf("%d..%d", first, t.next-1)}, field{"bytes", r.pos})
			return nil
		case errors.Is(err, errPadding):
			j.show("padding", field{"position", at}, field{"bytes", r.size - at})
			r.pos = r.size
			continue
		case err != nil:
			return j.stop(at, "%v (offset %d was next)", err, t.next)
		}
		j.checkBatch(&b, at, base, t)
		j.showBatch(&b, at)
		if j.records || j.verify {
			records += j.recordsOf(&b, at, metadata)
		}
		batches++
		t.next, t.epoch = b.NextOffset(), b.LeaderEpoch // even if they fell: one complaint is enough
	}
}

// checkBatch verifies a header against its place in the log.
func (j *job) checkBatch(b *record.Batch, at int64, base record.Offset, t *tail) {
	if err := b.CheckCRC(); err != nil {
		j.check(false, at, "%v", err)
	}
	j.check(b.BaseOffset >= t.next, at, "base offset %d does not follow %d", b.BaseOffset, t.next-1)
	j.check(b.LastOffsetDelta >= 0 && b.Count >= 0 && int64(b.Count) <= int64(b.LastOffsetDelta)+1, at,
		"%d records cannot lie within offsets %d..%d", b.Count, b.BaseOffset, b.LastOffset())
	j.check(base < 0 || b.LastOffset()-base <= math.MaxInt32, at, "last offset %d lies too far from the segment's %d for an index", b.LastOffset(), base)
	j.check(b.LeaderEpoch >= t.epoch, at, "leader epoch %d falls from %d", b.LeaderEpoch, t.epoch)
	j.check(b.Attributes.Codec() <= record.CodecZstd, at, "unknown codec %d", b.Attributes.Codec())
}

func (j *job) showBatch(b *record.Batch, at int64) {
	if j.verify {
		return
	}
	crc := "ok"
	if b.CheckCRC() != nil {
		crc = "BAD"
	}
	var flags []string
	for _, f := range []struct {
		bit  record.Attributes
		name string
	}{{record.AttrControl, "control"}, {record.AttrTransactional, "transactional"}, {record.AttrLogAppendTime, "log-append-time"},
		{record.AttrDeleteHorizon, "delete-horizon"}} {
		if b.Attributes&f.bit != 0 {
			flags = append(flags, f.name)
		}
	}
	if flags == nil {
		flags = []string{"-"}
	}
	j.show("batch", field{"position", at}, field{"first", b.BaseOffset}, field{"last", b.LastOffset()}, field{"count", b.Count}, field{"epoch", b.LeaderEpoch},
		field{"codec", b.Attributes.Codec()}, field{"size", b.Size}, field{"crc", crc}, field{"time", b.BaseTimestamp}, field{"maxtime", b.MaxTimestamp},
		field{"producer", b.ProducerID}, field{"producerepoch", b.ProducerEpoch}, field{"sequence", b.BaseSequence}, field{"flags", strings.Join(flags, ",")})
}

// recordsOf prints or verifies the records of a batch, and returns how many it holds.
func (j *job) recordsOf(b *record.Batch, at int64, metadata bool) (n int64) {
	it := b.Records(&j.codec, nil)
	last, highest := int32(-1), record.NoTimestamp
	for it.Next() {
		r := &it.Record
		offset := b.BaseOffset + record.Offset(r.OffsetDelta)
		j.check(r.OffsetDelta > last, at, "record %d of the batch has offset %d, which does not follow %d", n, offset, b.BaseOffset+record.Offset(last))
		last, highest = max(last, r.OffsetDelta), max(highest, b.Timestamp(r))
		n++
		if metadata || b.Control() {
			j.named(b, r, at, metadata)
			continue
		}
		j.show("record", field{"offset", offset}, field{"time", b.Timestamp(r)}, field{"key", octets(r.Key)}, field{"value", octets(r.Value)},
			field{"headers", headers(r.Headers)})
	}
	if err := it.Err(); err != nil {
		j.problem(at, "records of the batch at offset %d: %v", b.BaseOffset, err)
		return n
	}
	j.check(last <= b.LastOffsetDelta, at, "the last record has offset %d, the header says %d", b.BaseOffset+record.Offset(last), b.LastOffset())
	j.check(n == 0 || highest == b.MaxTimestamp, at, "the latest record is of %d, the header says %d", highest, b.MaxTimestamp)
	return n
}

// named prints or verifies a record that has a type: of the metadata log, or a control record.
func (j *job) named(b *record.Batch, r *record.Record, at int64, metadata bool) {
	offset := b.BaseOffset + record.Offset(r.OffsetDelta)
	name, body, err := decode(b, r, metadata)
	if err != nil {
		j.check(false, at, "record %d: %v", offset, err)
		name, body = "UNREADABLE", rawJSON(jsonText(err.Error()))
	}
	j.show("record", field{"offset", offset}, field{"time", b.Timestamp(r)}, field{"type", name}, field{"data", body})
}

var controlNames = map[record.ControlType]string{
	record.ControlAbort: "Abort", record.ControlCommit: "Commit", record.ControlLeaderChange: "LeaderChange", record.ControlSnapshotHeader: "SnapshotHeader",
	record.ControlSnapshotFooter: "SnapshotFooter", record.ControlKRaftVersion: "KRaftVersion", record.ControlVoters: "Voters",
}

func decode(b *record.Batch, r *record.Record, metadata bool) (name string, body rawJSON, err error) {
	if !b.Control() {
		m, version, err := image.ParseRecord(r.Value)
		if err != nil {
			return "", "", err
		}
		return fmt.Sprintf("%s/%d", m.Type(), version), structJSON(reflect.ValueOf(m)), nil
	}
	t, err := record.ParseControlKey(r.Key)
	if err != nil {
		return "", "", err
	}
	name, known := controlNames[t]
	if !known {
		name = fmt.Sprintf("control %d", t)
	}
	if !metadata || t <= record.ControlCommit { // a transaction's marker
		return name, rawJSON(jsonText(octets(r.Value))), nil
	}
	c, err := image.ParseControl(t, r.Value)
	if err != nil {
		return "", "", err
	}
	return name, structJSON(reflect.ValueOf(c)), nil
}

// headers are printed as a JSON array of key and value, since keys may come again.
func headers(hs []record.Header) rawJSON {
	if len(hs) == 0 {
		return "[]"
	}
	var parts []string
	for _, h := range hs {
		parts = append(parts, "["+jsonText(octets(h.Key))+","+jsonText(octets(h.Value))+"]")
	}
	return rawJSON("[" + strings.Join(parts, ",") + "]")
}
