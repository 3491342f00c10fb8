package sim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/sim/simdisk"
)

// Damage is what a disk does to bytes that it had: rot, and writes of others that land on them. With one copy they are lost. The promise is that this is found
// and told, that everything else is served, and that nothing is served in their place. So the world knows which offsets were hit, and the ledger excuses these
// and no others.
//
// What Kafka's format cannot tell from good bytes is outside the promise and is not drawn: see docs/FAULTS.md.

// sector is the unit in which disks write.
const sector = 512

// span is offsets from from up to but not including to.
type span struct{ from, to record.Offset }

// place of a batch on the platter.
type stored struct {
	path     string
	pos, end int64
	batch    record.Batch
	last     bool // in the last file of its log
}

// partitionDraw draws a partition of a client's topic.
func (w *World) partitionDraw(b *blow) (topic int, partition int32) {
	topic = b.rng.IntN(len(w.opt.Topics))
	return topic, int32(b.rng.IntN(int(w.opt.Topics[topic].Partitions)))
}

// logs returns the paths of a partition's log files on the platter, in order of their offsets.
func (n *node) logs(topic string, partition int32) []string {
	folder := n.folderOnPlatter(fmt.Sprintf("%s-%d", topic, partition))
	names, _ := n.disk.DurableNames(folder)
	return logFiles(folder, names)
}

func logFiles(folder string, names []string) []string { return pathsOf(folder, names, ".log") }

// writtenFiles are logFiles and, behind them, the one that begins before what is before it is durable.
func writtenFiles(folder string, names []string) []string {
	return pathsOf(folder, names, ".log", ".log.next")
}

func pathsOf(folder string, names []string, suffixes ...string) (paths []string) {
	for _, name := range names {
		if slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			paths = append(paths, folder+"/"+name)
		}
	}
	return paths
}

// folderOnPlatter finds a partition's folder in whichever log directory has it.
func (n *node) folderOnPlatter(name string) string {
	for i := range n.w.opt.Dirs {
		if _, ok := n.disk.DurableNames(n.rootOf(i) + name); ok {
			return n.rootOf(i) + name
		}
	}
	return n.rootOf(0) + name
}

// rootOf is where a log directory lies.
func (n *node) rootOf(dir int) string {
	if n.w.opt.Dirs == 1 {
		return ""
	}
	return fmt.Sprintf("d%d/", dir)
}

// batchesOf returns what the platter has of logs: whole batches, as processes see them, too.
func (n *node) batchesOf(paths []string) (all []stored) {
	for i, path := range paths {
		data, _ := n.disk.DurableData(path)
		seen, err := n.disk.Data(path)
		if err != nil {
			continue // its name is about to change
		}
		pos := int64(0)
		for it := record.Batches(data); it.Next(); {
			b := it.Batch
			end := pos + int64(b.Size)
			if b.CheckCRC() == nil && end <= int64(len(seen)) && bytes.Equal(data[pos:end], seen[pos:end]) {
				b.Data = nil
				all = append(all, stored{path, pos, end, b, i == len(paths)-1})
			}
			pos = end
		}
	}
	return all
}

// victim draws a batch of a partition that the platter has.
func (n *node) victim(b *blow) (topic int, partition int32, v stored, ok bool) {
	topic, partition = n.w.partitionDraw(b)
	draw := b.rng.Uint64()
	all := n.batchesOf(n.logs(n.w.opt.Topics[topic].Name, partition))
	if len(all) == 0 {
		return topic, partition, v, false
	}
	return topic, partition, all[draw%uint64(len(all))], true
}

// rot turns a few bits of a batch, or makes its part of a sector anything.
func (n *node) rot(b *blow) bool {
	topic, partition, v, ok := n.victim(b)
	noise := prngBytes(b, sector)
	at := uint64(b.size)
	if !ok {
		return false
	}
	data, _ := n.disk.DurableData(v.path)
	bad := slices.Clone(data[v.pos:v.end])
	if b.half {
		for range 1 + b.small%4 {
			// The first four bytes are the upper half of the offset; epoch and the lower half lie outside the CRC and can rot into something good.
			i := at % uint64(len(bad)-8)
			if i >= 4 {
				i += 4
			}
			if i >= 12 && i < 16 {
				i += 4
			}
			bad[i] ^= 1 << (at >> 20 & 7)
			at = at*6364136223846793005 + 1442695040888963407
		}
	} else {
		from := v.pos + int64(at%uint64(len(bad)))/sector*sector
		for i := range bad {
			if p := v.pos + int64(i); p/sector == from/sector && (i < 4 || i >= 16) {
				bad[i] = noise[p%sector]
			}
		}
	}
	return n.overwrite(topic, partition, &v, v.pos, bad)
}

func prngBytes(b *blow, n int) []byte {
	p := make([]byte, n)
	b.rng.Bytes(p)
	return p
}

// misdirect has a sector of another file, or of elsewhere in the same, land on a sector of a log.
func (n *node) misdirect(b *blow) bool {
	topic, partition, v, ok := n.victim(b)
	otherTopic, otherPartition := n.w.partitionDraw(b)
	draw, at := b.rng.Uint64(), b.rng.Uint64()
	if !ok {
		return false
	}
	paths := n.logs(n.w.opt.Topics[otherTopic].Name, otherPartition)
	if len(paths) == 0 {
		return false
	}
	from, _ := n.disk.DurableData(paths[draw%uint64(len(paths))])
	data, _ := n.disk.DurableData(v.path)
	first := v.pos / sector
	to := (first + int64(at%uint64((v.end-1)/sector-first+1))) * sector
	src := int64(draw>>32) % (int64(len(from))/sector + 1) * sector
	size := min(sector, int64(len(from))-src, int64(len(data))-to)
	zeros := make([]byte, record.HeaderSize) // what follows there may complete a batch whose last bytes are zeros, too
	if size <= 0 || holdsBatch(append(slices.Clone(from[src:src+size]), zeros...)) || bytes.Equal(from[src:src+size], data[to:to+size]) {
		return false
	}
	return n.overwrite(topic, partition, &v, to, slices.Clone(from[src:src+size]))
}

// holdsBatch reports whether a whole batch lies anywhere in p.
func holdsBatch(p []byte) bool {
	for i := 0; len(p)-i >= record.HeaderSize; i++ {
		if size := int(int32(binary.BigEndian.Uint32(p[i+8:]))) + record.LogOverhead; p[i+16] != 2 || size < record.HeaderSize || size > len(p)-i {
			continue
		}
		it := record.Batches(p[i:])
		if it.Next() && it.Batch.CheckCRC() == nil {
			return true
		}
	}
	return false
}

// overwrite puts bad over a log's bytes and enters what it hit, if the format can tell: of every batch that changes, the CRC fails; and in the last segment none
// reads as a write that was never made, but below the floor: there everything was written.
func (n *node) overwrite(topic int, partition int32, v *stored, at int64, bad []byte) bool {
	t := n.w.opt.Topics[topic].Name
	data, _ := n.disk.DurableData(v.path)
	after := slices.Clone(data)
	copy(after[at:], bad)
	if makesBatch(data, after, int(at), len(bad)) {
		return false
	}
	var hit, posed []span
	var batches []metaBatch
	end := int64(0)
	pos := int64(0)
	for it := record.Batches(data); it.Next(); pos = end {
		b := it.Batch
		if end = pos + int64(b.Size); bytes.Equal(after[pos:end], data[pos:end]) {
			continue
		}
		length := !bytes.Equal(after[pos+8:pos+12], data[pos+8:pos+12])
		unwritten := v.last && (length || readsUnwritten(after, pos, end))
		if unwritten && b.NextOffset() > n.floor(t, partition) || b.CheckCRC() != nil {
			return false
		}
		hit, batches = append(hit, span{b.BaseOffset, b.NextOffset()}), append(batches, batchOf(&b))
		if h, err := record.ParseHeader(after[pos:]); err == nil && h.BaseOffset != b.BaseOffset {
			posed = append(posed, span{h.BaseOffset, h.NextOffset()})
		}
	}
	if at+int64(len(bad)) > end { // what follows was not written yet, or was hit before
		return false
	}
	if !n.mayHurt(topic, partition, batches) {
		return false
	}
	if err := n.disk.Corrupt(v.path, at, bad); err != nil {
		return false // processes see another file under that name
	}
	n.harmed(topic, partition, harm{path: v.path, at: at, bad: slices.Clone(bad), hit: batches})
	part := n.w.ledger.part(topic, partition)
	part.posed = append(part.posed, posed...)
	for _, h := range hit {
		n.w.ledger.hurt(topic, partition, h)
		n.w.note(n.name, fmt.Sprintf("damaged: %s-%d offsets %d to %d (%s at %d)", t, partition, h.from, h.to, v.path, at))
	}
	return len(hit) > 0
}

// floor is the offset below which the checkpoint files on the platter say that all of a partition was durable: what the next start goes by. Where those may rot it
// says nothing.
func (n *node) floor(topic string, partition int32) (floor record.Offset) {
	if n.w.opt.Faults[checkpointRot] > 0 {
		return 0
	}
	for i := range n.w.opt.Dirs {
		root := n.rootOf(i)
		if _, here := n.disk.DurableNames(fmt.Sprintf("%s%s-%d", root, topic, partition)); !here {
			continue
		}
		for _, name := range []string{core.RecoveryPointCheckpoint, core.HighWatermarkCheckpoint} {
			text, _ := n.disk.DurableData(root + name)
			entries, _ := core.ParseCheckpoint(text)
			for _, e := range entries {
				if e.Topic == topic && e.Partition == partition {
					floor = max(floor, e.Offset)
				}
			}
		}
	}
	return floor
}

// makesBatch reports whether a batch whose CRC holds begins where it did not, now that size bytes at at are others: what stood before them may be the half of a header.
func makesBatch(data, after []byte, at, size int) bool {
	for i := max(0, at-record.HeaderSize+1); i < at+size && len(after)-i >= record.HeaderSize; i++ {
		if after[i+16] != 2 {
			continue
		}
		it := record.Batches(after[i:])
		if it.Next() && it.Batch.CheckCRC() == nil && !bytes.Equal(it.Batch.Data, data[i:i+int(it.Batch.Size)]) {
			return true
		}
	}
	return false
}

// readsUnwritten reports whether a sector's part of a batch is all zeros, as it is where a write was lost (decision 2).
func readsUnwritten(data []byte, pos, end int64) bool {
	for at := pos; at < end; at = (at/sector + 1) * sector {
		if len(bytes.Trim(data[at:min((at/sector+1)*sector, end)], "\x00")) == 0 {
			return true
		}
	}
	return false
}

// mayRead makes wrong what a process reads of a log once, if a reader is bound to notice.
func (n *node) mayRead(op simdisk.Op, p []byte) {
	k := staleRead
	if n.armed[misdirectedRead] {
		k = misdirectedRead
	}
	if !n.armed[k] || !n.serving() || n.recovers || !strings.HasSuffix(op.Path, ".log") || len(p) < record.HeaderSize {
		return
	}
	topic, partition, ok := n.w.partOf(op.Path)
	if !ok {
		return
	}
	wrong := make([]byte, len(p)) // stale: as it was before anything was written
	if k == misdirectedRead {
		data, _ := n.disk.Data(op.Path)
		from := int64(n.keep) % int64(len(data)) / sector * sector
		copy(wrong, data[from:])
	} else {
		keep := int64(n.keep) % int64(len(p))
		copy(wrong, p[:max(keep-(op.Off+keep)%sector, 0)])
	}
	if it := record.Batches(wrong); bytes.Equal(wrong, p) || it.Next() && it.Batch.CheckCRC() == nil && k == misdirectedRead {
		return // a reader could take it for good
	}
	copy(p, wrong)
	n.disarm(k)
	n.w.ledger.part(topic, partition).doubts++
}

// partOf finds whose log a path is.
func (w *World) partOf(path string) (topic int, partition int32, ok bool) {
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return 0, 0, false
	}
	for i := range w.opt.Topics {
		t := &w.opt.Topics[i]
		for p := range t.Partitions {
			if parts[len(parts)-2] == fmt.Sprintf("%s-%d", t.Name, p) {
				return i, p, true
			}
		}
	}
	return 0, 0, false
}

// checkLost compares what recovery calls lost with what was hit: nothing else may be, and of a durable topic no offset that was hit may be given out again.
func (n *node) checkLost(folder string, o *core.Opened) {
	topic, partition, ok := n.w.partOf(folder + "/")
	if !ok {
		if r := n.w.refusal; len(o.Lost) > 0 && (r == nil || !r.rotten) {
			n.w.fail(Correctness, "damage", fmt.Sprintf("%s: offsets %d to %d: %s", folder, o.Lost[0].From, o.Lost[0].To, o.Lost[0].Why))
		}
		return
	}
	p := n.w.ledger.part(topic, partition)
	n.w.mended(topic, partition)
	if p.hurtHere(n) {
		p.foundLost(o.Lost)
	}
	for _, x := range o.Lost {
		n.w.reach(markLostRange)
		if x.From >= x.To {
			n.w.fail(Correctness, "damage", fmt.Sprintf("%s: offsets from %d to %d are called lost, which are none: %s", folder, x.From, x.To, x.Why))
		}
		if x.To == o.LogEnd {
			n.w.reach(markLostAtEnd)
		}
		if at, bad := p.unexplained(x); bad || !p.hurtHere(n) {
			n.w.fail(Correctness, "damage", fmt.Sprintf("%s: offset %d is called lost, and nothing has hit it: %s", folder, at, x.Why))
			return
		}
		p.hurts = append(p.hurts, span{x.From, x.To}) // what was not hit was never acknowledged: a reader finds nothing there
	}
	if n.w.alone() {
		n.w.past.opened(topic, partition, o.LogStart, o.LogEnd)
	}
	if !n.w.opt.Topics[topic].Durable() || !p.hurtHere(n) {
		return
	}
	for _, h := range p.hurts {
		if o.LogEnd < min(h.to, p.ackedEnd) {
			n.w.fail(Correctness, "damage", fmt.Sprintf("%s: offsets %d to %d were hit, and the log now ends at %d: they will be given out again", folder, h.from, h.to, o.LogEnd))
		}
	}
}

// unexplained finds an offset in a range called lost that was acknowledged and not hit.
func (p *partLedger) unexplained(x core.OffsetRange) (record.Offset, bool) {
	for at := x.From; at < min(x.To, p.ackedEnd); at++ {
		to, hit := p.hurtAt(at)
		if !hit {
			return at, true
		}
		at = to - 1
	}
	return 0, false
}

// hurt enters offsets that damage has hit.
func (l *ledger) hurt(topic int, partition int32, s span) {
	p := l.part(topic, partition)
	for _, h := range p.hurts {
		// One good batch between two damaged ones: where no header is left behind it, nothing tells it from the contents of a record.
		for _, between := range []span{{h.to, s.from}, {s.to, h.from}} {
			if n := between.to - between.from; n > 0 && n <= l.batchMost {
				p.hurts = append(p.hurts, between)
			}
		}
	}
	p.hurts = append(p.hurts, s)
}

// posedAt reports whether a damaged header says that it is of an offset that others hold, and where that ends. Who asks for the offset may be given the damaged batch,
// and be told so by its CRC, until the next start reads the log.
func (p *partLedger) posedAt(offset record.Offset) (to record.Offset, ok bool) {
	return reach(p.posed, offset)
}

// hurtAt reports whether an offset was hit, and where the batch that was hit ends.
func (p *partLedger) hurtAt(offset record.Offset) (to record.Offset, ok bool) {
	return reach(p.hurts, offset)
}

// reach reports whether an offset lies in one of the spans, and where the last of them ends.
func reach(spans []span, offset record.Offset) (to record.Offset, ok bool) {
	for _, h := range spans {
		if h.from <= offset && offset < h.to {
			to, ok = max(to, h.to), true
		}
	}
	return to, ok
}

// hurtFrom reports whether anything at or behind an offset was hit.
func (p *partLedger) hurtFrom(offset record.Offset) bool {
	return slices.ContainsFunc(p.hurts, func(h span) bool { return h.to > offset })
}

// hurtIn reports whether a partition was hit.
func (n *node) hurtIn(topic string, partition int32) bool {
	p := n.w.ledger.named(topic, partition)
	return p != nil && p.hurtHere(n)
}

// named finds a partition; nil if no client's ledger has it.
func (l *ledger) named(topic string, partition int32) *partLedger {
	for i := range l.topics {
		if l.w.opt.Topics[i].Name == topic && int(partition) < len(l.topics[i]) {
			return &l.topics[i][partition]
		}
	}
	return nil
}

// ledgerOf finds the partition of a stream; nil if no client's ledger has it.
func (n *node) ledgerOf(id stream.ID) *partLedger {
	if n.p.view.Image == nil {
		return nil
	}
	t, ok := n.p.view.Image.TopicByID(id.Topic)
	if !ok {
		return nil
	}
	return n.w.ledger.named(t.Name, id.Partition)
}
