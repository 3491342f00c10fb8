package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"odradek/core"
	"odradek/core/producer"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Folder is one entry of the root that Recover has to look at.
type Folder struct {
	Name      string
	start     record.Offset // of the log, by the checkpoint; 0 if it has none
	topic     string
	partition int32
	doomed    bool // its removal has begun
}

// Folders lists the root's partition folders, sorted by name, doomed ones included. Other names are not ours to touch.
func (d *Dir) Folders() ([]Folder, error) {
	names, err := d.fs.List("")
	if err != nil {
		return nil, err
	}
	starts, err := d.readStarts()
	if err != nil {
		return nil, err
	}
	var folders []Folder
	for _, name := range names {
		if strings.HasSuffix(name, deleteSuffix) {
			folders = append(folders, Folder{Name: name, doomed: true})
		} else if topic, partition, ok := parseFolder(name); ok {
			folders = append(folders, Folder{Name: name, start: starts[name], topic: topic, partition: partition})
		}
	}
	return folders, nil
}

// Recover reads one folder from its start, cuts what a crash left at its end and returns the log for Add, with what the core must know of it. It
// touches nothing of the Dir but its file system: any number may run at once, each on its own folder. A nil Log and no error: there was no stream
// (a Create or a removal that a crash interrupted), and the folder is gone.
//
// The log ends before the first batch whose header is malformed, which is cut short, whose CRC fails, whose offsets do not rise or whose leader
// epoch falls. If a valid batch lies there or behind it, this was no interrupted write: files stay as they are, Opened.Damage says where, and the
// core decides; a Truncate takes the rest away.
func (d *Dir) Recover(folder Folder) (*Log, *core.Opened, error) {
	if folder.doomed {
		// The process may have ended before it synced the rename: were files removed first, a power loss could bring back the stream without them.
		if err := d.fs.SyncDir(""); err != nil {
			return nil, nil, err
		}
		return nil, nil, d.removeFolder(folder.Name)
	}
	names, err := d.fs.List(folder.Name)
	if err != nil {
		return nil, nil, err
	}
	names, err = d.removeLeftovers(folder.Name, names)
	if err != nil {
		return nil, nil, err
	}
	id, exists, err := d.identify(folder, names)
	if err != nil || !exists {
		return nil, nil, err
	}
	r := recovery{
		dir: d, log: &Log{id: id, topic: folder.topic, folder: folder.Name, roll: record.NoOffset}, epoch: record.NoEpoch,
		producers: map[record.ProducerID]*producer.Entry{},
	}
	err = r.run(names)
	if err == nil && folder.start > r.log.next && r.damage == "" {
		err = r.startAt(folder.start)
	}
	if err == nil {
		err = r.placeIndexes(names)
	}
	if err != nil {
		for i := range r.log.segs {
			r.log.segs[i].file.Close()
			_ = r.log.segs[i].index.drop()
		}
		return nil, nil, err
	}
	o := r.opened()
	o.LogStart = max(o.LogStart, min(folder.start, o.LogEnd))
	o.Durable, o.HighWatermark = max(o.Durable, o.LogStart), max(o.HighWatermark, o.LogStart)
	return r.log, o, nil
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

// identify reads partition.metadata. Without a good one and without a .log file the folder is a Create that never completed: it is removed.
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
			if !segments {
				err = d.finishCreate(folder.Name)
			}
			return id, err == nil, err
		}
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
	file, err := d.fs.Open(folder + "/" + metadataFile)
	if err != nil {
		return err
	}
	if err := errors.Join(file.SyncData(), file.Close()); err != nil {
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

// recovery is the scan of one folder.
type recovery struct {
	dir       *Dir
	log       *Log
	epoch     record.Epoch // of the last batch
	epochs    []stream.EpochStart
	producers map[record.ProducerID]*producer.Entry
	cut       int64
	damage    string
	buf       []byte
}

func (r *recovery) run(names []string) error {
	var bases []record.Offset // sorted, as names are
	for _, name := range names {
		if base, ok := parseLog(name); ok {
			bases = append(bases, base)
		}
	}
	for i, base := range bases {
		l := r.log
		if i == 0 {
			l.next = base
		}
		sc, why, err := r.open(base)
		if err != nil {
			return err
		}
		if why == nil {
			why, err = r.scan(sc)
		}
		if err != nil {
			return err
		}
		if why != nil {
			return r.stop(sc, why, bases[i+1:])
		}
	}
	r.keep()
	return nil
}

// placeIndexes gives every segment its index files; the last one grows.
func (r *recovery) placeIndexes(names []string) error {
	if err := r.dir.removeOrphans(r.log.folder, names); err != nil {
		return err
	}
	for i := range r.log.segs {
		if err := r.dir.placeIndex(r.log.folder, &r.log.segs[i], i == len(r.log.segs)-1); err != nil {
			return err
		}
	}
	return nil
}

// open takes the next segment into the log, still without its batches. A segment that does not begin where the one before it ends has a flaw: the
// tail of that one, or a file between them, is lost. (Compaction, when it comes, makes such gaps and must loosen this.)
func (r *recovery) open(base record.Offset) (*scanner, error, error) {
	l := r.log
	file, err := r.dir.fs.Open(l.path(base))
	if err != nil {
		return nil, nil, err
	}
	l.segs = append(l.segs, newSegment(base, file))
	size, err := file.Size()
	if err != nil {
		return nil, nil, err
	}
	// A node may have many small partitions: no more memory than there is to read.
	if want := min(max(size, readerChunk), recoverChunk); int64(len(r.buf)) < want {
		r.buf = make([]byte, want)
	}
	sc := &scanner{file: file, path: l.path(base), end: size, buf: r.buf}
	if base != l.next {
		return sc, flaw(fmt.Sprintf("the segment begins at offset %d, the one before it ends at %d", base, l.next)), nil
	}
	return sc, nil, nil
}

// scan takes in the batches of the last segment up to the first that is none. why is nil if there was none such.
func (r *recovery) scan(sc *scanner) (why, err error) {
	s := r.log.last()
	for {
		b, err := sc.batch(int64(s.size))
		if err == io.EOF {
			return nil, nil
		}
		if err == nil && b.BaseOffset < r.log.next {
			err = flaw(fmt.Sprintf("base offset %d does not follow %d", b.BaseOffset, r.log.next-1))
		}
		if err == nil && b.LastOffset()-s.base > math.MaxInt32 { // an index could not name it; the offset lies outside the CRC
			err = flaw(fmt.Sprintf("base offset %d lies too far from the segment's %d", b.BaseOffset, s.base))
		}
		if err == nil && b.LeaderEpoch < r.epoch {
			err = flaw(fmt.Sprintf("leader epoch %d falls from %d", b.LeaderEpoch, r.epoch))
		}
		var f flaw
		if errors.As(err, &f) {
			old, err := sc.oldFormat(int64(s.size))
			if old {
				err = fmt.Errorf("%s at %d: a message of magic 0 or 1: let Kafka 3.x rewrite the topic, or move the folder away", sc.path, s.size)
			}
			return f, err
		}
		if err != nil {
			return nil, err
		}
		s.take(&b, &r.dir.options)
		r.log.next = s.next
		r.note(&b)
	}
}

// take moves the segment's end behind b.
func (s *segment) take(b *record.Batch, o *Options) {
	pos := s.size
	s.size += stream.Pos(b.Size)
	s.next = b.NextOffset()
	if b.MaxTimestamp > s.maxTS {
		s.maxTS, s.maxAt = b.MaxTimestamp, b.LastOffset()
	}
	s.index.add(b.LastOffset(), pos, s.maxTS, s.maxAt, o)
}

// note keeps what the core wants to know of a batch: epoch starts and the producer's last batches.
func (r *recovery) note(b *record.Batch) {
	if b.LeaderEpoch != r.epoch {
		r.epoch = b.LeaderEpoch
		r.epochs = append(r.epochs, stream.EpochStart{Epoch: b.LeaderEpoch, Start: b.BaseOffset})
	}
	if !b.Idempotent() || b.Control() {
		return
	}
	e := r.producers[b.ProducerID]
	if e == nil || e.Epoch < b.ProducerEpoch {
		e = &producer.Entry{ID: b.ProducerID, Epoch: b.ProducerEpoch}
		r.producers[b.ProducerID] = e
	}
	if e.Epoch != b.ProducerEpoch {
		return // an older epoch: its producer is fenced
	}
	if e.Count == producer.Window {
		copy(e.Batches[:], e.Batches[1:])
		e.Count--
	}
	e.Batches[e.Count] = producer.Appended{
		FirstSequence: b.BaseSequence, LastSequence: b.LastSequence(), BaseOffset: b.BaseOffset, LastOffset: b.LastOffset(), Timestamp: b.MaxTimestamp,
	}
	e.Count++
}

// stop ends the log at a flaw in the last segment taken in: cuts there what an interrupted write left, but leaves damage as it is and says so.
func (r *recovery) stop(sc *scanner, why error, later []record.Offset) error {
	l := r.log
	s := l.last()
	found, err := r.damaged(sc, int64(s.size), later)
	if err != nil {
		return err
	}
	if found != "" {
		r.damage = fmt.Sprintf("%s at %d: %s; yet %s", sc.path, s.size, why, found)
		l.damaged, l.behind = true, later
		if r.misplaced() {
			l.behind = append([]record.Offset{s.base}, later...)
			s.file.Close()
			l.segs = l.segs[:len(l.segs)-1]
		}
		r.keep()
		return nil
	}
	r.cut += sc.end - int64(s.size)
	r.keep()
	return r.dir.cutLast(l, s.size)
}

// misplaced reports whether the last segment does not begin where the log ends, so that none of it belongs to the log.
func (r *recovery) misplaced() bool {
	s := r.log.last()
	return s.size == 0 && s.base != r.log.next
}

// keep marks all that was found as not known to be durable: after the end of a process the bytes may have been in the page cache only.
func (r *recovery) keep() {
	l := r.log
	for i := range l.segs {
		l.markDirty(l.segs[i].file)
	}
	l.names = true
}

func (r *recovery) opened() *core.Opened {
	l := r.log
	o := &core.Opened{
		Dir: r.dir.id, Exists: true, Topic: l.topic, LogEnd: l.next, Epochs: r.epochs, Cut: r.cut, Damage: r.damage,
	}
	if len(l.segs) > 0 {
		o.LogStart = l.segs[0].base
	}
	o.Durable, o.HighWatermark = o.LogStart, o.LogStart
	for i := range l.segs {
		o.Segments = append(o.Segments, stream.Segment{Base: l.segs[i].base, Size: l.segs[i].size, MaxTimestamp: l.segs[i].maxTS})
	}
	for _, e := range r.producers { // any order: sorted below
		o.Producers = append(o.Producers, *e)
	}
	slices.SortFunc(o.Producers, func(a, b producer.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return o
}
