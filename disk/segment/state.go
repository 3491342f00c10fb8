package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"odradek/core"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Files of a log's state (FEATURES §4): <offset>.snapshot holds the producers as of everything below the offset, leader-epoch-checkpoint where each epoch begins.
const (
	snapshotSuffix = ".snapshot"
	epochsFile     = "leader-epoch-checkpoint"
)

// Sizes of a .snapshot: version i16 and CRC-32C u32 of what follows, the count i32, and an entry.
const (
	snapshotCRCEnd = 6
	snapshotHeader = 10
	snapshotEntry  = 46
)

func snapshotName(at record.Offset) string { return fmt.Sprintf("%020d%s", int64(at), snapshotSuffix) }

func parseSnapshotName(name string) (record.Offset, bool) {
	digits, is := strings.CutSuffix(name, snapshotSuffix)
	if !is {
		return 0, false
	}
	return parseLog(digits + logSuffix)
}

// FormatSnapshot writes Kafka's producer snapshot, version 1. A producer has an entry for each batch remembered, oldest first: of several entries of one id
// Kafka keeps the last (decision 4).
func FormatSnapshot(entries []producer.Entry) []byte {
	be := binary.BigEndian
	out := make([]byte, snapshotHeader)
	be.PutUint16(out, 1)
	n := uint32(0)
	put := func(e *producer.Entry, a producer.Appended) {
		n++
		out = be.AppendUint64(out, uint64(e.ID))
		out = be.AppendUint16(out, uint16(e.Epoch))
		out = be.AppendUint32(out, uint32(a.LastSequence))
		out = be.AppendUint64(out, uint64(a.LastOffset))
		out = be.AppendUint32(out, uint32(a.LastOffset-a.BaseOffset))
		out = be.AppendUint64(out, uint64(a.Timestamp))
		out = be.AppendUint32(out, uint32(0xffffffff)) // no coordinator epoch
		out = be.AppendUint64(out, ^uint64(0))         // no transaction
	}
	for i := range entries {
		e := &entries[i]
		for _, a := range e.Batches[:e.Count] {
			put(e, a)
		}
		if e.Count == 0 { // only the epoch is known
			put(e, producer.Appended{LastSequence: -1, BaseOffset: record.NoOffset, LastOffset: record.NoOffset, Timestamp: record.NoTimestamp})
		}
	}
	be.PutUint32(out[snapshotCRCEnd:], n)
	be.PutUint32(out[2:], crc32.Checksum(out[snapshotCRCEnd:], castagnoli))
	return out
}

// ParseSnapshot reads what FormatSnapshot or Kafka wrote, sorted by producer id. Transactions that were open are not taken over.
func ParseSnapshot(text []byte) ([]producer.Entry, error) {
	be := binary.BigEndian
	if len(text) < snapshotHeader || be.Uint16(text) != 1 {
		return nil, errors.New("a producer snapshot begins with its version, 1")
	}
	if sum := crc32.Checksum(text[snapshotCRCEnd:], castagnoli); sum != be.Uint32(text[2:]) {
		return nil, fmt.Errorf("CRC is %08x, the file says %08x", sum, be.Uint32(text[2:]))
	}
	if n := int64(be.Uint32(text[snapshotCRCEnd:])); n*snapshotEntry != int64(len(text)-snapshotHeader) {
		return nil, fmt.Errorf("%d entries are announced, %d bytes follow", n, len(text)-snapshotHeader)
	}
	window := producerWindows{}
	for p := text[snapshotHeader:]; len(p) > 0; p = p[snapshotEntry:] {
		e := window.of(record.ProducerID(be.Uint64(p)), int16(be.Uint16(p[8:])))
		last := record.Offset(be.Uint64(p[14:]))
		if e == nil || last < 0 {
			continue
		}
		delta := int32(be.Uint32(p[22:]))
		sequence := int32(be.Uint32(p[10:]))
		e.add(producer.Appended{FirstSequence: record.AddSequence(sequence, -delta), LastSequence: sequence, BaseOffset: last - record.Offset(delta),
			LastOffset: last, Timestamp: record.UnixMillis(be.Uint64(p[26:]))})
	}
	return window.entries(), nil
}

// producerWindows gathers the last batches of each producer id.
type producerWindows map[record.ProducerID]*producerWindow

type producerWindow producer.Entry

// of returns the window of a producer's epoch, emptied if the epoch is new; nil if a later epoch was seen: the producer is fenced.
func (w producerWindows) of(id record.ProducerID, epoch int16) *producerWindow {
	e := w[id]
	if e == nil || e.Epoch < epoch {
		e = &producerWindow{ID: id, Epoch: epoch}
		w[id] = e
	}
	if e.Epoch != epoch {
		return nil
	}
	return e
}

func (e *producerWindow) add(a producer.Appended) {
	if e.Count == producer.Window {
		copy(e.Batches[:], e.Batches[1:])
		e.Count--
	}
	e.Batches[e.Count] = a
	e.Count++
}

func (w producerWindows) entries() []producer.Entry {
	var out []producer.Entry
	for _, e := range w { // any order: sorted below
		out = append(out, producer.Entry(*e))
	}
	slices.SortFunc(out, func(a, b producer.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func formatEpochs(epochs []stream.EpochStart) []byte {
	out := append(strconv.AppendInt([]byte("0\n"), int64(len(epochs)), 10), '\n')
	for _, e := range epochs {
		out = fmt.Appendf(out, "%d %d\n", e.Epoch, e.Start)
	}
	return out
}

// parseEpochs reads what formatEpochs or Kafka wrote. Anything else is an error, for example the bytes that a power loss leaves.
func parseEpochs(text []byte) ([]stream.EpochStart, error) {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < 2 || lines[0] != "0" || lines[1] != strconv.Itoa(len(lines)-2) || !bytes.HasSuffix(text, []byte("\n")) {
		return nil, errors.New("want the version 0, the number of entries, and an entry a line")
	}
	var epochs []stream.EpochStart
	for _, line := range lines[2:] {
		var e stream.EpochStart
		if n, err := fmt.Sscanf(line, "%d %d", &e.Epoch, &e.Start); n != 2 || err != nil {
			return nil, fmt.Errorf("%q is not epoch and offset", line)
		}
		if n := len(epochs); n > 0 && (e.Epoch <= epochs[n-1].Epoch || e.Start <= epochs[n-1].Start) {
			return nil, fmt.Errorf("%q does not rise", line)
		}
		epochs = append(epochs, e)
	}
	return epochs, nil
}

// writeState puts down what lies below offset at, unsynced: the next checkpoint syncs it. A crash leaves files that are whole or that recovery sees through:
// the snapshot has a CRC and the epochs their number.
func (d *Dir) writeState(l *Log, at record.Offset, s *core.LogState) error {
	if s == nil {
		return nil
	}
	if !slices.Equal(s.Epochs, l.epochs) {
		if err := d.replace(l, epochsFile, formatEpochs(s.Epochs)); err != nil {
			return err
		}
		l.epochs = s.Epochs
	}
	l.stateEnd = max(l.stateEnd, at)
	if slices.Contains(l.snapshots, at) {
		return nil
	}
	if err := d.replace(l, snapshotName(at), FormatSnapshot(s.Producers)); err != nil {
		return err
	}
	l.snapshots = append(l.snapshots, at)
	return nil
}

// replace makes a small file of a log anew, in place of one of that name, unsynced.
func (d *Dir) replace(l *Log, name string, text []byte) error {
	aside := l.folder + "/" + name + tmpSuffix
	file, err := d.createNew(aside)
	if err != nil {
		return err
	}
	if err := errors.Join(writeWhole(file, text, 0), file.Close()); err != nil {
		return err
	}
	l.names = true
	if !slices.Contains(l.unsynced, name) {
		l.unsynced = append(l.unsynced, name)
	}
	return d.fs.Rename(aside, l.folder+"/"+name)
}

// checkpoint puts down what recovery would otherwise read again, for the next round to sync. With end, nothing is appended any more.
func (d *Dir) checkpoint(l *Log, op *core.DiskOp) error {
	l.gen = op.Generation
	l.checkpoint = true
	d.wantSync(l)
	if s := l.last(); s != nil {
		if op.Close {
			if err := errors.Join(d.closeIndex(l, s), l.trim()); err != nil {
				return err
			}
		}
		l.indexUnsynced(s.base)
	}
	return d.writeState(l, l.next, op.State)
}

// indexUnsynced notes that the next checkpoint must sync a segment's index files.
func (l *Log) indexUnsynced(base record.Offset) {
	for _, name := range []string{indexName(base), timeIndexName(base)} {
		if !slices.Contains(l.unsynced, name) {
			l.unsynced = append(l.unsynced, name)
		}
	}
}

// forgetUnsynced drops names of files that are gone.
func (l *Log) forgetUnsynced(gone func(name string) bool) {
	l.unsynced = slices.DeleteFunc(l.unsynced, gone)
}

// dropSnapshots removes the snapshots that are gone for good.
func (d *Dir) dropSnapshots(l *Log, gone func(record.Offset) bool) error {
	var kept []record.Offset
	for _, at := range l.snapshots {
		if !gone(at) {
			kept = append(kept, at)
			continue
		}
		if err := d.fs.Remove(l.folder + "/" + snapshotName(at)); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			return err
		}
		l.forgetUnsynced(func(name string) bool { return name == snapshotName(at) })
	}
	l.snapshots = kept
	return nil
}

// checkpointed forgets the snapshots that the one at upTo, which is durable now, makes superfluous: those that are neither newer nor at a segment's base.
func (d *Dir) checkpointed(l *Log, upTo record.Offset) error {
	if !slices.Contains(l.snapshots, upTo) {
		return nil
	}
	return d.dropSnapshots(l, func(at record.Offset) bool {
		return at < upTo && !slices.ContainsFunc(l.segs, func(s segment) bool { return s.base == at })
	})
}
