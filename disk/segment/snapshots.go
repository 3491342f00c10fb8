package segment

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"odradek/core"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

const (
	imageSuffix = ".checkpoint"
	partSuffix  = ".part" // a snapshot that Kafka never finished
)

// Snapshots lists the metadata snapshots of the directory by rising end, and tells whether kafka-storage format left a bootstrap.checkpoint. It is to be called
// before Recover: what interrupted writes left is removed, and a folder in which kafka-storage format put a snapshot and nothing else becomes a log's. What
// it returns is durable, for the log below a snapshot may be deleted.
func (d *Dir) Snapshots() (found []core.Snapshot, bootstrap bool, err error) {
	if file, err := d.fs.Open(core.BootstrapName); err == nil {
		bootstrap = true
		file.Close()
	} else if !errors.Is(err, vfs.ErrNotExist) {
		return nil, false, err
	}
	names, err := d.fs.List(core.SnapshotFolder)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil, bootstrap, nil
	} else if err != nil {
		return nil, false, err
	}
	identified := false
	for _, name := range names { // sorted: by end, for the digits have a fixed number
		path := core.SnapshotFolder + "/" + name
		s, ok := parseSnapshot(name)
		switch {
		case strings.HasSuffix(name, imageSuffix+partSuffix), strings.HasSuffix(name, imageSuffix+deletedSuffix), strings.HasSuffix(name, imageSuffix+tmpSuffix):
			err = d.fs.Remove(path)
		case ok:
			if s.Bytes, s.Last, err = d.settleSnapshot(path); err == nil {
				found = append(found, s)
			}
		}
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", path, err)
		}
		identified = identified || name == metadataFile
	}
	if len(found) > 0 && !identified {
		// Whole or not at all: beside segments a torn one would stop every start from here on.
		slot := core.Slot{Dir: d.id, Name: core.SnapshotFolder + "/" + metadataFile}
		if err := d.WriteSlot(core.Store{Slot: slot, Bytes: partitionMetadata(stream.MetadataTopic)}); err != nil {
			return nil, false, err
		}
	}
	return found, bootstrap, d.fs.SyncDir(core.SnapshotFolder)
}

// parseSnapshot reads <20-digit end offset>-<10-digit epoch>.checkpoint.
func parseSnapshot(name string) (s core.Snapshot, ok bool) {
	digits, found := strings.CutSuffix(name, imageSuffix)
	if !found || len(digits) != 31 || digits[20] != '-' {
		return s, false
	}
	end, err1 := strconv.ParseInt(digits[:20], 10, 64)
	epoch, err2 := strconv.ParseInt(digits[21:], 10, 32)
	return core.Snapshot{End: record.Offset(end), Epoch: record.Epoch(epoch)}, err1 == nil && err2 == nil && end >= 0 && epoch >= 0
}

// settleSnapshot makes a snapshot's bytes durable and reads from its header what its age is; NoTimestamp if that cannot be read: the core will find out why.
func (d *Dir) settleSnapshot(path string) (size int64, last record.UnixMillis, err error) {
	file, err := d.fs.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	if size, err = file.Size(); err == nil {
		err = file.SyncData()
	}
	if err != nil {
		return 0, 0, err
	}
	last = record.NoTimestamp
	buf := make([]byte, min(size, 4<<10)) // the header's batch is small
	if n, err := file.ReadAt(buf, 0); err != nil && !(err == io.EOF && n == len(buf)) {
		return size, last, nil
	}
	it := record.Batches(buf)
	if !it.Next() || it.Batch.CheckCRC() != nil || !it.Batch.Control() {
		return size, last, nil
	}
	if records := it.Batch.Records(nil, nil); records.Next() {
		if header, err := image.ParseControl(record.ControlSnapshotHeader, records.Record.Value); err == nil {
			last = header.(*image.SnapshotHeader).LastContainedTimestamp
		}
	}
	return size, last, nil
}

// LoadSlot answers a Load of a slot: whole batches from a position on, at most core.LoadBytes unless the first is larger; empty at the end. Bytes that are no
// whole batch come as they are, for the core to refuse. It may run beside anything else.
func (d *Dir) LoadSlot(job *core.Job) core.Event {
	ev := core.Event{Kind: core.EvLoaded, Job: job.ID, Loaded: &core.Loaded{}}
	var err error
	if ev.Loaded.Bytes, err = d.loadSlot(job.Slot.Name, job.Pos); err != nil {
		ev.Loaded = &core.Loaded{Err: errcode.KafkaStorageError}
	}
	return ev
}

func (d *Dir) loadSlot(name string, pos int64) ([]byte, error) {
	file, err := d.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	read := func(n int64) ([]byte, error) {
		buf := make([]byte, min(n, max(size-pos, 0)))
		if len(buf) == 0 {
			return nil, nil
		}
		if n, err := file.ReadAt(buf, pos); err != nil && !(err == io.EOF && n == len(buf)) {
			return nil, err
		}
		return buf, nil
	}
	bytes, err := read(core.LoadBytes)
	if err != nil || int64(len(bytes)) == size-pos {
		return bytes, err
	}
	whole := 0
	it := record.Batches(bytes)
	for it.Next() {
		whole += int(it.Batch.Size)
	}
	if whole > 0 {
		return bytes[:whole], nil
	}
	first, err := record.ParseHeader(bytes)
	if err != nil || int64(first.Size) > size-pos {
		return bytes, nil
	}
	return read(int64(first.Size))
}
