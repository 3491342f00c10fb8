package segment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
)

// Recover takes one folder's log up from its recovery point, cuts what a crash left at its end and returns the log for Add, with what the core must know of it. It
// touches nothing of the Dir but its file system: any number may run at once, each on its own folder and with a Scratch of its own. A nil Log and no error: there was no
// stream (a Create or a removal that a crash interrupted), and the folder is gone.
//
// Below the recovery point segments are known by their indexes, epochs and producers by their files (decision 4); a segment whose index does not fit it is
// read whole, and so is the log if those files are not good. From the recovery point on every batch is read. A batch whose header is malformed, which is cut
// short, whose CRC fails, whose offsets do not go on or whose leader epoch falls ends the log if an interrupted write can have left it; else it is
// damage: its offsets are in Opened.Lost and the log goes on behind them.
func (d *Dir) Recover(folder Folder, scratch *Scratch) (*Log, *core.Opened, error) {
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
	r, err := d.recoverLog(id, folder, names, scratch, false)
	if errors.Is(err, errState) {
		r, err = d.recoverLog(id, folder, names, scratch, true)
	}
	if err != nil {
		return nil, nil, err
	}
	return r.log, r.opened(), nil
}

// Scratch is memory that Recover uses for one folder after another. The zero value is ready.
type Scratch struct{ window []byte }

func (d *Dir) recoverLog(id stream.ID, folder Folder, names []string, scratch *Scratch, distrusts bool) (*recovery, error) {
	r := &recovery{dir: d, scratch: scratch, log: &Log{id: id, topic: folder.topic, folder: folder.Name}, epoch: record.NoEpoch, producers: producerWindows{},
		start: folder.start, point: folder.point, floor: max(folder.point, folder.watermark), watermark: folder.watermark, distrusts: distrusts}
	err := r.run(names)
	if err != nil {
		for i := range r.log.segs {
			r.log.segs[i].file.Close()
			_ = r.log.segs[i].index.drop()
		}
	}
	return r, err
}

// recovery is the way through one folder.
type recovery struct {
	dir          *Dir
	log          *Log
	start        record.Offset // of the log, by the checkpoint; 0 if it has none
	point, floor record.Offset // decision 4
	watermark    record.Offset // checkpointed

	distrusts bool // the files of the log's state are not used

	from      record.Offset // batches below are known by the files of the log's state
	epoch     record.Epoch  // of the last batch from there on
	epochs    []stream.EpochStart
	producers producerWindows
	kept      []keptIndex // of each segment
	scanned   int64
	cut       int64
	lost      []core.OffsetRange
	closes    bool              // the last segment has damage in front of good batches: the log goes on in another
	renewed   []record.Offset   // snapshots of producers that recovery wrote
	first     record.UnixMillis // of the last segment's first batch
	scratch   *Scratch
}

// keptIndex is how much of a segment's index files recovery took as it was.
type keptIndex struct{ offsets, times int }

func (r *recovery) run(names []string) error {
	var bases []record.Offset // sorted, as names are
	for _, name := range names {
		if base, ok := parseLog(name); ok {
			bases = append(bases, base)
		}
	}
	if err := r.readState(names, bases); err != nil {
		return err
	}
	for i, base := range bases {
		next := record.NoOffset
		if i+1 < len(bases) {
			next = bases[i+1]
		}
		if err := r.segment(base, next); err != nil {
			return err
		}
	}
	names, err := r.takeNext(names)
	if err != nil {
		return err
	}
	if r.log.next < r.floor {
		r.lose(r.floor, fmt.Sprintf("the log ends at %d, and held offsets below %d durably", r.log.next, r.floor))
		if len(bases) > 0 {
			if err := r.goOn(); err != nil {
				return err
			}
		}
	}
	if r.closes {
		if err := r.goOn(); err != nil {
			return err
		}
	}
	if r.start > r.log.next {
		if err := r.startAt(r.start); err != nil {
			return err
		}
	}
	if err = r.settleIndexes(names); err != nil {
		return err
	}
	if r.first, err = r.log.firstTimestamp(); err != nil {
		return err
	}
	r.keep()
	return r.dropStrayState(names)
}

// segment takes the segment at base into the log; next is the base of the one behind it, or NoOffset.
func (r *recovery) segment(base, next record.Offset) error {
	l := r.log
	file, err := r.dir.fs.Open(l.path(base))
	if err != nil {
		return err
	}
	if len(l.segs) == 0 {
		l.next = base
	}
	l.segs = append(l.segs, newSegment(base, file))
	r.kept = append(r.kept, keptIndex{})
	size, err := file.Size()
	if err != nil {
		return err
	}
	if base > l.next {
		r.lost = append(r.lost, core.OffsetRange{From: l.next, To: base, Gap: true,
			Why: fmt.Sprintf("%s begins at offset %d and what is before it ends at %d", l.path(base), base, l.next)})
		l.next = base
	}
	if base > r.from && len(l.segs) > 1 {
		if err := r.renewSnapshot(base); err != nil {
			return err
		}
	}
	sc := &scanner{file: file, path: l.path(base), end: size, buf: r.window(size)}
	if next != record.NoOffset && next <= r.from {
		ok, err := r.known(sc, next)
		if ok {
			err = r.vouchEpochs(sc, &r.log.last().index, next)
		}
		if ok || err != nil {
			return err
		}
	}
	if err := r.resume(sc, next); err != nil {
		return err
	}
	end := r.from
	if next != record.NoOffset {
		end = min(end, next)
	}
	if err := r.vouchEpochs(sc, &r.log.last().index, end); err != nil { // before anything is cut by them
		return err
	}
	return r.scan(sc, next)
}

// window returns the buffer that scanners share. A node may have many small partitions: no more memory than there is to read.
func (r *recovery) window(size int64) []byte {
	if want := min(max(size, readerChunk), recoverChunk); int64(len(r.scratch.window)) < want {
		r.scratch.window = make([]byte, 1<<bits.Len64(uint64(want-1))) // of segments that are each a little larger not all make a new one
	}
	return r.scratch.window
}

// scan takes in the batches of the last segment from its end on; next is the base of the segment behind it, or NoOffset.
func (r *recovery) scan(sc *scanner, next record.Offset) error {
	s := r.log.last()
	from := s.size
	for {
		why, err := r.batches(sc, next)
		r.scanned += int64(s.size - from)
		if why == nil || err != nil {
			return err
		}
		more, err := r.mend(sc, why, next)
		if !more || err != nil {
			return err
		}
		from = s.size
	}
}

// batches takes in batches up to the first that is none, and says why it is not. why is nil at the end.
func (r *recovery) batches(sc *scanner, next record.Offset) (why, err error) {
	s := r.log.last()
	for {
		b, err := sc.batch(int64(s.size))
		if err == io.EOF {
			return nil, nil
		}
		if err == nil {
			err = r.goesOn(sc, &b, next)
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

// goesOn checks what no CRC covers, against what is before a batch and what is behind it: a batch whose offset or epoch leaps ahead of its successor's is the
// one that is wrong.
func (r *recovery) goesOn(sc *scanner, b *record.Batch, next record.Offset) error {
	l, s := r.log, r.log.last()
	if b.BaseOffset < l.next {
		return flaw(fmt.Sprintf("base offset %d does not follow %d", b.BaseOffset, l.next-1))
	}
	if b.LastOffset()-s.base > math.MaxInt32 { // an index could not name it
		return flaw(fmt.Sprintf("base offset %d lies too far from the segment's %d", b.BaseOffset, s.base))
	}
	if next != record.NoOffset && b.LastOffset() >= next { // whatever the next file holds: its name bounds this one
		return flaw(fmt.Sprintf("base offset %d lies beyond the next segment's %d", b.BaseOffset, next))
	}
	if b.BaseOffset >= r.from && b.LeaderEpoch < r.epoch {
		return flaw(fmt.Sprintf("leader epoch %d falls from %d", b.LeaderEpoch, r.epoch))
	}
	if b.BaseOffset == l.next && b.LeaderEpoch <= r.epoch {
		return nil
	}
	behind, err := r.ahead(sc, int64(s.size)+int64(b.Size), next)
	var f flaw
	switch {
	case err == nil && behind.BaseOffset < b.NextOffset() && behind.BaseOffset >= l.next && b.BaseOffset > l.next:
		return flaw(fmt.Sprintf("base offset %d leaps ahead of the next batch's %d", b.BaseOffset, behind.BaseOffset))
	case err == nil && behind.LeaderEpoch < b.LeaderEpoch && behind.LeaderEpoch >= r.epoch && behind.BaseOffset >= b.NextOffset():
		return flaw(fmt.Sprintf("leader epoch %d leaps ahead of the next batch's %d", b.LeaderEpoch, behind.LeaderEpoch))
	case (err == io.EOF || next == record.NoOffset && errors.As(err, &f)) && b.BaseOffset > l.next:
		// Nothing behind it vouches for the leap. A torn tail does not either: with the tail cut the next recovery would see none.
		return flaw(fmt.Sprintf("base offset %d does not follow %d", b.BaseOffset, l.next-1))
	case err != nil && err != io.EOF && !errors.As(err, &f):
		return err
	}
	return nil
}

// ahead returns the header at pos, of the next segment's first batch if this one ends there; io.EOF if there is none.
func (r *recovery) ahead(sc *scanner, pos int64, next record.Offset) (record.Batch, error) {
	if pos < sc.end || next == record.NoOffset {
		return sc.header(pos)
	}
	file, err := r.dir.fs.Open(r.log.path(next))
	if err != nil {
		return record.Batch{}, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return record.Batch{}, err
	}
	if size == 0 {
		return record.Batch{BaseOffset: next, LeaderEpoch: math.MaxInt32}, nil
	}
	return newScanner(file, r.log.path(next), size, record.HeaderSize).header(0)
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
	if b.BaseOffset < r.from {
		return
	}
	r.epoch = b.LeaderEpoch
	if n := len(r.epochs); n == 0 || r.epochs[n-1].Epoch < b.LeaderEpoch {
		r.epochs = append(r.epochs, stream.EpochStart{Epoch: b.LeaderEpoch, Start: b.BaseOffset})
	}
	if !b.Idempotent() || b.Control() {
		return
	}
	if e := r.producers.of(b.ProducerID, b.ProducerEpoch); e != nil {
		e.add(producerBatch(b))
	}
}

// settleIndexes gives every segment its index files. Those of segments that the recovery point covers are durable, or are made so.
func (r *recovery) settleIndexes(names []string) error {
	l := r.log
	if err := r.dir.removeOrphans(l.folder, names); err != nil {
		return err
	}
	for i := range l.segs {
		s := &l.segs[i]
		if i < len(l.segs)-1 && s.index.files == nil {
			s.index.addTime(s.maxTS, s.maxAt)
		}
		durable := s.next <= r.point
		if s.index.files == nil {
			if err := r.dir.settleIndex(l.folder, s, r.kept[i].offsets, r.kept[i].times, durable); err != nil {
				return err
			}
		}
		if !durable {
			l.indexUnsynced(s.base)
		}
	}
	return nil
}

// keep marks what was found from the recovery point on as not known to be durable: after the end of a process the bytes may have been in the page cache only. So may be
// the length of the last file, though all its batches lie below that point: a process that cut zeros off may have ended before it synced.
func (r *recovery) keep() {
	l := r.log
	l.names = l.names || l.next > r.point
	for i := range l.segs {
		if s := &l.segs[i]; s.next > r.point || i == len(l.segs)-1 {
			l.markDirty(s.file)
		}
	}
}

// opened is what the core is told.
func (r *recovery) opened() *core.Opened {
	l := r.log
	o := &core.Opened{Dir: r.dir.id, Exists: true, Topic: l.topic, LogEnd: l.next, Epochs: r.epochs, Cut: r.cut, Scanned: r.scanned, Lost: r.lost,
		Producers: r.producers.entries()}
	if len(l.segs) > 0 {
		o.LogStart = l.segs[0].base
	}
	o.LogStart = max(o.LogStart, min(r.start, o.LogEnd))
	o.Lost = slices.DeleteFunc(o.Lost, func(x core.OffsetRange) bool { return x.To <= o.LogStart })
	for i := range o.Lost {
		o.Lost[i].From = max(o.Lost[i].From, o.LogStart)
	}
	durable := min(r.point, l.next)
	if r.from == r.point {
		o.RecoveryPoint = durable // else the state that belongs to it is not on disk
	}
	o.Durable = max(durable, o.LogStart)
	o.HighWatermark = max(min(r.watermark, l.next), o.LogStart) // what is durable here need not be on other replicas
	for i := range l.segs {
		o.Segments = append(o.Segments, stream.Segment{Base: l.segs[i].base, Size: l.segs[i].size, MaxTimestamp: l.segs[i].maxTS})
	}
	if n := len(l.segs); n > 0 {
		o.Segments[n-1].FirstTimestamp, o.Segments[n-1].Index = r.first, l.segs[n-1].index.state()
	}
	return o
}

// dropStrayState removes the snapshots that nobody will use: above the log's end, or neither the newest nor at a segment's base; and files of epochs and snapshots
// are taken for unsynced where they are above the recovery point.
func (r *recovery) dropStrayState(names []string) error {
	l := r.log
	for _, name := range names {
		at, ok := parseSnapshotName(name)
		if !ok {
			continue
		}
		l.snapshots = append(l.snapshots, at)
		if (at > r.point || at != r.from) && !slices.Contains(l.unsynced, name) {
			l.unsynced = append(l.unsynced, name)
		}
	}
	for _, at := range r.renewed {
		if !slices.Contains(l.snapshots, at) {
			l.snapshots = append(l.snapshots, at)
		}
	}
	slices.Sort(l.snapshots)
	newest := record.NoOffset
	for _, at := range l.snapshots {
		if at <= l.next {
			newest = at
		}
	}
	return r.dir.dropSnapshots(l, func(at record.Offset) bool {
		return at > l.next || at != newest && at != r.from && !slices.ContainsFunc(l.segs, func(s segment) bool { return s.base == at })
	})
}

// removeOrphans removes index files whose segment is not there.
func (d *Dir) removeOrphans(folder string, names []string) error {
	logs := map[string]bool{}
	for _, name := range names {
		if _, ok := parseLog(name); ok {
			logs[strings.TrimSuffix(name, logSuffix)] = true
		}
	}
	for _, name := range names {
		digits, is := strings.CutSuffix(name, indexSuffix)
		if !is {
			digits, is = strings.CutSuffix(name, timeIndexSuffix)
		}
		if is && !logs[digits] {
			if err := d.fs.Remove(folder + "/" + name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
