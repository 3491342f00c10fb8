package segment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Folder is one entry of the root that Recover has to look at.
type Folder struct {
	Name      string
	topic     string
	partition int32
	doomed    bool      // its removal has begun
	listed    bool      // a stream of that name is in the list: the folder was made to its end
	id        stream.ID // of that one
	start     record.Offset
	point     record.Offset
	watermark record.Offset
}

// marks are what the checkpoint files of a directory say, by folder.
type marks struct {
	starts, points, watermarks map[string]record.Offset
}

// Folders lists the root's partition folders, sorted by name, doomed ones included. Other names are not ours to touch.
func (d *Dir) Folders() ([]Folder, error) {
	if err := d.readList(); err != nil {
		return nil, err
	}
	if err := d.readMarks(); err != nil {
		return nil, err
	}
	names, err := d.fs.List("")
	if err != nil {
		return nil, err
	}
	listed := map[string]stream.ID{}
	for id, topic := range d.list.streams { // any order: a struck name is free before another stream is listed by it
		listed[folderName(topic, id.Partition)] = id
	}
	var folders []Folder
	for _, name := range names {
		if strings.HasSuffix(name, deleteSuffix) {
			folders = append(folders, Folder{Name: name, doomed: true})
		} else if topic, partition, ok := parseFolder(name); ok {
			id, is := listed[name]
			folders = append(folders, Folder{Name: name, topic: topic, partition: partition, listed: is, id: id,
				start: d.marks.starts[name], point: d.marks.points[name], watermark: d.marks.watermarks[name]})
		}
	}
	return folders, nil
}

// readMarks reads the checkpoint files. Log starts must be good: without them deleted records would come back. The others only say what need not be read again,
// and what must be there; a bad one is as good as none. Of a directory that Kafka left without a clean stop they are not used: Kafka syncs less than they say here.
func (d *Dir) readMarks() error {
	var err error
	if d.marks.starts, err = d.readCheckpoint(core.LogStartCheckpoint); err != nil {
		return fmt.Errorf("%w: mend it, or remove it and deleted records come back", err)
	}
	if d.list.known || d.clean {
		d.marks.points, _ = d.readCheckpoint(core.RecoveryPointCheckpoint)
	}
	if d.list.known {
		d.marks.watermarks, _ = d.readCheckpoint(core.HighWatermarkCheckpoint)
	}
	return nil
}

// readCheckpoint reads a text checkpoint, by folder. A missing one has no entries.
func (d *Dir) readCheckpoint(name string) (map[string]record.Offset, error) {
	text, err := d.ReadSlot(name)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := core.ParseCheckpoint(text)
	if err != nil {
		return nil, fmt.Errorf("%s, %w", name, err)
	}
	offsets := make(map[string]record.Offset, len(entries))
	for _, e := range entries {
		offsets[folderName(e.Topic, e.Partition)] = e.Offset
	}
	return offsets, nil
}

// removeLeftovers removes what an interrupted removal, compaction or Store left, and returns the other names.
func (d *Dir) removeLeftovers(folder string, names []string) ([]string, error) {
	var kept []string
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, deletedSuffix), strings.HasSuffix(name, cleanedSuffix), strings.HasSuffix(name, tmpSuffix):
			if err := d.fs.Remove(folder + "/" + name); err != nil {
				return nil, err
			}
		case strings.HasSuffix(name, ".swap"):
			return nil, fmt.Errorf("%s/%s: a compaction of Kafka was interrupted here: start and stop Kafka once on this directory", folder, name)
		default:
			kept = append(kept, name)
		}
	}
	return kept, nil
}

// identify reads partition.metadata. Without a good one and without a .log file the folder is a Create that never completed: it is removed. Where a listed stream
// should be, it has lost its file and is left as it is.
func (d *Dir) identify(folder Folder, names []string) (id stream.ID, exists bool, err error) {
	text, err := readSmall(d.fs, folder.Name+"/"+metadataFile, false)
	if err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return id, false, err
	}
	segments := slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, logSuffix) })
	if err == nil {
		var topic record.UUID
		if topic, err = parsePartitionMetadata(text); err == nil {
			id = stream.ID{Topic: topic, Partition: folder.partition}
			if folder.listed && id != folder.id {
				return id, false, nil // no CRC covers the file; taken for another topic's, the folder would be deleted as a stray
			}
			if _, listed := d.list.streams[id]; !segments && !listed {
				err = d.finishCreate(folder.Name)
			}
			return id, err == nil, err
		}
	}
	if folder.listed {
		return id, false, nil
	}
	if segments {
		return id, false, fmt.Errorf("%s/%s: %w: the folder has segments but not the topic they belong to: restore the file or move the folder away",
			folder.Name, metadataFile, err)
	}
	if folder.topic == stream.MetadataName { // slots of the quorum may have come before the log: keep them
		if slices.Contains(names, metadataFile) {
			err = errors.Join(d.fs.Remove(folder.Name+"/"+metadataFile), d.fs.SyncDir(folder.Name))
			return id, false, err
		}
		return id, false, nil
	}
	return id, false, d.removeFolder(folder.Name)
}

// finishCreate makes a folder durable that has no segments yet: the process may have ended inside Create, so that its file reads well from the page
// cache only. A segment proves that Create returned.
func (d *Dir) finishCreate(folder string) error {
	if err := syncPath(d.fs, folder+"/"+metadataFile); err != nil {
		return err
	}
	if err := d.fs.SyncDir(folder); err != nil {
		return err
	}
	return d.fs.SyncDir("")
}

// removeFolder removes a folder and the files in it, then syncs the root. Any part of it may have been done before.
func (d *Dir) removeFolder(folder string) error {
	names, err := d.fs.List(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := d.fs.Remove(folder + "/" + name); err != nil {
			return err
		}
	}
	if err := d.fs.Remove(folder); err != nil {
		return err
	}
	return d.fs.SyncDir("")
}
