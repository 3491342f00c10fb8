package sim

import (
	"fmt"
	"math"
	"slices"

	"odradek/core"
	"odradek/core/image"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// Of the metadata quorum the world knows what each node has in its log, what each platter holds, and what each says to be committed. The oracles judge that, after
// every Step, in a world of several nodes.

// metaBatch is a batch of the metadata log as an oracle remembers it. Equal batches are the same one.
type metaBatch struct {
	base, next record.Offset
	epoch      record.Epoch
	crc        uint32
}

// metaLog is a node's metadata log as its core has it, and how far the node says that it is committed.
type metaLog struct {
	batches []metaBatch   // rising
	start   record.Offset // what lies below only a snapshot has
	hw      record.Offset
	checked int // of batches: those below hw
	epoch   record.Epoch
	leads   bool
	asked   map[voteAsked]ballot // requests for votes without an answer
}

// quorumWatch is what is known of all nodes together, over all processes.
type quorumWatch struct {
	committed []metaBatch    // by anybody's word
	in        []record.Epoch // by place in committed: the epoch whose leader made it so
	leaders   map[record.Epoch]record.NodeID
	epoch     record.Epoch // the latest with a leader
	votes     map[vote]record.NodeID
	images    map[record.Offset]imageSeen
	text      []byte
}

// imageSeen is what an image at some offset sums to, and who published it first.
type imageSeen struct {
	sum uint64
	by  string
}

func batchOf(b *record.Batch) metaBatch {
	return metaBatch{b.BaseOffset, b.NextOffset(), b.LeaderEpoch, b.CRC}
}

const metadataFolder = stream.MetadataName + "-0/"

// quorum is the state of the node's part in the quorum.
func (n *node) quorum() core.QuorumState { return n.p.core.Quorum() }

// leads reports whether a node leads the quorum, by its own word.
func leads(q *core.QuorumState) bool { return q.Role == quorum.Leader }

// rereadMetadata takes up what recovery has left of the metadata log.
func (n *node) rereadMetadata() {
	n.log = metaLog{asked: map[voteAsked]ballot{}}
	n.terms = map[stream.ID]term{} // the committed image is published from its beginning
	names, err := n.disk.Names(n.rootOf(0) + metadataFolder[:len(metadataFolder)-1])
	if err != nil {
		return
	}
	for i, path := range logFiles(n.rootOf(0)+metadataFolder[:len(metadataFolder)-1], names) {
		if i == 0 {
			n.log.start = baseOf(path)
		}
		data, _ := n.disk.Data(path)
		for it := record.Batches(data); it.Next(); {
			n.log.batches = append(n.log.batches, batchOf(&it.Batch))
		}
	}
}

// observeQuorum looks at a Step of a node.
func (n *node) observeQuorum(ev *core.Event) {
	if n.w.alone() || !n.p.booted || n.w.cfg.BlackBox {
		return
	}
	for i := range n.p.fx.Halts {
		if n.p.fx.Halts[i].Scope == core.HaltNode {
			return // of what it knows nothing counts any more
		}
	}
	for i := range n.p.fx.Disk {
		if op := &n.p.fx.Disk[i]; op.Stream == stream.Metadata {
			n.metadataChanged(op)
		}
	}
	n.checkSpeech(ev)
	q := n.quorum()
	n.checkLeader(&q)
	n.checkCommitted(&q)
	for i := range n.p.fx.Stores {
		n.checkSnapshot(&n.p.fx.Stores[i])
	}
}

// metadataChanged follows the log. What is committed is never cut.
func (n *node) metadataChanged(op *core.DiskOp) {
	l := &n.log
	switch op.Kind {
	case core.DiskAppend:
		b := batchOf(&op.Batch)
		if k := len(l.batches); k > 0 && (b.base != l.batches[k-1].next || b.epoch < l.batches[k-1].epoch) {
			n.w.fail(Correctness, "Q3", fmt.Sprintf("%s appends offset %d of epoch %d to a log that ends at %d in epoch %d", n.name, b.base, b.epoch, l.batches[k-1].next, l.batches[k-1].epoch))
		}
		l.batches = append(l.batches, b)
	case core.DiskTruncate:
		for k := len(l.batches); k > 0 && (op.All || l.batches[k-1].next > op.To); k-- {
			if b := l.batches[k-1]; !op.All && n.w.quorum.hasBy(b, n.quorum().Epoch) {
				n.w.fail(Correctness, "Q3", fmt.Sprintf("%s cuts its log to %d, and its batch at %d of epoch %d is committed", n.name, op.To, b.base, b.epoch))
			}
			l.batches = l.batches[:k-1]
		}
		if op.All {
			l.start = op.Base
			n.w.reach(markSnapshotFetched)
		}
		l.checked = min(l.checked, len(l.batches))
		n.w.reach(markMetadataCut)
	}
}

// at returns the committed batch that begins at an offset.
func (q *quorumWatch) at(base record.Offset) (metaBatch, bool) {
	i, ok := slices.BinarySearchFunc(q.committed, base, func(b metaBatch, base record.Offset) int { return int(b.base - base) })
	if !ok {
		return metaBatch{}, false
	}
	return q.committed[i], true
}

func (q *quorumWatch) has(b metaBatch) bool {
	other, ok := q.at(b.base)
	return ok && other == b
}

// hasBy reports whether a batch was committed in an epoch or before. A node that has not heard of a later one may still follow a leader that lacks what was committed in that: nobody
// counted it.
func (q *quorumWatch) hasBy(b metaBatch, epoch record.Epoch) bool {
	i, ok := slices.BinarySearchFunc(q.committed, b.base, func(c metaBatch, base record.Offset) int { return int(c.base - base) })
	return ok && q.committed[i] == b && q.in[i] <= epoch
}

func (q *quorumWatch) end() record.Offset {
	if n := len(q.committed); n > 0 {
		return q.committed[n-1].next
	}
	return 0
}

// checkLeader: one leader in an epoch (Q1), which has all that was committed in earlier ones (leader completeness).
func (n *node) checkLeader(q *core.QuorumState) {
	w, l := n.w, &n.log
	if q.Epoch < l.epoch {
		w.fail(Correctness, "Q1", fmt.Sprintf("%s goes back from epoch %d to %d", n.name, l.epoch, q.Epoch))
	}
	led := l.leads && l.epoch == q.Epoch
	l.epoch, l.leads = q.Epoch, leads(q)
	if !l.leads || led {
		return
	}
	if w.quorum.leaders == nil {
		w.quorum.leaders = map[record.Epoch]record.NodeID{}
	}
	if other, known := w.quorum.leaders[q.Epoch]; known && other != n.self() {
		w.fail(Correctness, "Q1", fmt.Sprintf("nodes %d and %d lead in epoch %d", other, n.self(), q.Epoch))
	}
	w.quorum.leaders[q.Epoch] = n.self()
	w.quorum.epoch = max(w.quorum.epoch, q.Epoch)
	if len(w.quorum.leaders) > 1 {
		w.reach(markLeaderChanged)
	}
	if missing, ok := w.quorum.missing(n, q.Epoch); ok {
		w.fail(Correctness, "Q3", fmt.Sprintf("%s leads in epoch %d, and has not the batch at %d of epoch %d, which is committed", n.name, q.Epoch, missing.base, missing.epoch))
	}
}

// missing returns the first batch that was committed before an epoch and that a node has not; a log that begins with a snapshot has what lies below.
func (q *quorumWatch) missing(n *node, epoch record.Epoch) (metaBatch, bool) {
	has := n.log.batches
	for i, b := range q.committed {
		if q.in[i] >= epoch {
			break
		}
		if b.base < n.log.start {
			continue
		}
		for len(has) > 0 && has[0].base < b.base {
			has = has[1:]
		}
		if len(has) == 0 || has[0] != b {
			return b, true
		}
	}
	return metaBatch{}, false
}

// checkCommitted: what a node says to be committed is what others said it is (Q4), and when it is said first a majority of the voters has it on the platter (Q3),
// with a batch of the leader's own epoch (Q5). It is never unsaid.
func (n *node) checkCommitted(q *core.QuorumState) {
	w, l := n.w, &n.log
	if q.HighWatermark < l.hw {
		w.fail(Correctness, "Q3", fmt.Sprintf("the high watermark of %s falls from %d to %d", n.name, l.hw, q.HighWatermark))
	}
	l.hw = q.HighWatermark
	for l.checked < len(l.batches) && l.batches[l.checked].next <= l.hw {
		b := l.batches[l.checked]
		l.checked++
		if other, known := w.quorum.at(b.base); known && other != b {
			w.fail(Correctness, "Q4", fmt.Sprintf("%s has committed %+v, another node %+v", n.name, b, other))
			return
		} else if known || b.base < w.quorum.end() {
			continue
		}
		w.quorum.committed, w.quorum.in = append(w.quorum.committed, b), append(w.quorum.in, q.Epoch)
		have := 0
		for _, v := range w.voters() {
			if v.platterHas(b) {
				have++
			}
		}
		if most := len(w.voters()); have < most/2+1 {
			w.fail(Correctness, "Q3", fmt.Sprintf("%s says that offset %d is committed, and %d of %d voters have it on disk", n.name, b.base, have, most))
		}
		if last := l.batches[l.checked-1]; l.leads && last.next == l.hw && last.epoch != l.epoch {
			w.fail(Correctness, "Q5", fmt.Sprintf("%s leads in epoch %d and says that offset %d of epoch %d is committed, and none of its own", n.name, l.epoch, last.base, last.epoch))
		}
	}
}

// platterHas reports whether a batch of the metadata log would be there after a power loss; what is below the log start a snapshot has.
func (n *node) platterHas(b metaBatch) bool {
	has, below := n.durably(n.rootOf(0)+stream.MetadataName+"-0", b)
	return has || below
}

// durably reports whether a batch of a log would be there after a power loss, whole; below: the log is there, and begins behind it.
func (n *node) durably(folder string, b metaBatch) (has, below bool) {
	names, _ := n.disk.DurableNames(folder)
	files := logFiles(folder, names)
	for i := len(files) - 1; i >= 0; i-- {
		if baseOf(files[i]) > b.base {
			continue
		}
		data, _ := n.disk.DurableData(files[i])
		for it := record.Batches(data); it.Next(); {
			if batchOf(&it.Batch) == b {
				return it.Batch.CheckCRC() == nil, false
			}
		}
		return false, false
	}
	return false, len(files) > 0
}

// holds reports whether a node has all that is committed on its platter.
func (q *quorumWatch) holds(n *node) bool {
	if _, misses := q.missing(n, math.MaxInt32); misses {
		return false
	}
	return len(q.committed) == 0 || n.platterHas(q.committed[len(q.committed)-1])
}

// checkSame: images of one offset are the same on all nodes (Q4).
func (n *node) checkSame(img *image.Image) {
	w := n.w
	if w.alone() {
		return
	}
	w.publishes(img)
	if w.cfg.BlackBox {
		return
	}
	sum := w.quorum.sum(img)
	if w.quorum.images == nil {
		w.quorum.images = map[record.Offset]imageSeen{}
	}
	if was, seen := w.quorum.images[img.Offset()]; seen && was.sum != sum {
		w.fail(Correctness, "Q4", fmt.Sprintf("%s and %s publish different images of offset %d", n.name, was.by, img.Offset()))
	} else if !seen {
		w.quorum.images[img.Offset()] = imageSeen{sum, n.name}
	}
}

// reigning is one epoch of a stream.
type reigning struct {
	id    stream.ID
	epoch record.Epoch
}

// ruler is a process of a node.
type ruler struct {
	node, life uint32
}

// checkReign: nobody but one process of one node appends in an epoch what it did not get from its leader (R8). Followers append what they are given.
func (n *node) checkReign(op *core.DiskOp) {
	s, here := n.p.core.Look(op.Stream)
	if q := n.quorum(); op.Stream == stream.Metadata && (!leads(&q) || q.Epoch != op.Batch.LeaderEpoch) || op.Stream != stream.Metadata && !(here && s.Leading) {
		return
	}
	if n.w.reigns == nil {
		n.w.reigns = map[reigning]ruler{}
	}
	at, by := reigning{op.Stream, op.Batch.LeaderEpoch}, ruler{uint32(n.id), n.life}
	if other, known := n.w.reigns[at]; known && other != by {
		n.w.fail(Correctness, "R8", fmt.Sprintf("%v: n%d appends in leader epoch %d, in which n%d did, or an earlier process", op.Stream, by.node, at.epoch, other.node))
	}
	n.w.reigns[at] = by
}
