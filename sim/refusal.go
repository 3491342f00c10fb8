package sim

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
)

// Some faults take what one copy cannot replace: damaged metadata, and a directory that comes back empty. Such a run ends there: no client can be served as before.
// What must hold is that the node says so. It does not start, or answers for what is gone with an error, and serves all else. So these faults strike when the
// others have stopped, at a node that starts after them.

// lastFaults are the kinds after which a run ends.
var lastFaults = []faultKind{metadataRot, wipe, identityRot, imageRot}

func (k faultKind) isLast() bool { return slices.Contains(lastFaults, k) }

// refusal is what is known of the node before the last faults, and what became of it.
type refusal struct {
	topics  map[string]record.UUID
	cluster string
	inDir   map[stream.ID]stream.DirID
	rotten  bool     // the metadata log
	above   bool     // that where no recovery point says that it was durable: there rot can look like what an interrupted write leaves, and is cut
	unread  bool     // that where a snapshot stands for the log: no start reads it
	spoiled []string // other files
	wiped   []bool   // by directory
	halted  string   // why the node did not start
	before  heldBefore
}

// refusalTime is how long a node has to start, or to refuse to.
const refusalTime = 20 * Second

// beginRefusal has the last faults strike; false if there are none, or no node to strike.
func (w *World) beginRefusal() bool {
	n := w.nodes[0]
	if !slices.ContainsFunc(lastFaults, func(k faultKind) bool { return w.opt.Faults[k] > 0 }) || !n.serving() || n.p.stopping {
		return false
	}
	r := &refusal{topics: map[string]record.UUID{}, cluster: n.p.view.ClusterID, inDir: map[stream.ID]stream.DirID{}, wiped: make([]bool, w.opt.Dirs)}
	for t := range n.p.view.Image.Topics() {
		r.topics[t.Name] = t.ID
	}
	for id, d := range n.p.where { // any order: into a map
		r.inDir[id] = d.dir.ID()
	}
	for _, c := range w.clients {
		c.stop()
	}
	r.before.image = n.settled()
	w.phase, w.refusal = phaseRefuse, r
	w.opt.calm()
	n.heals()
	n.pausedUntil = 0
	n.losePower()
	r.before.logs = n.logsHeld()
	for _, k := range lastFaults {
		if drawn := w.faults[k].Drawn(); w.opt.Faults[k] > 0 {
			w.decided(k, FromEnd, drawn)
		}
		b := w.drawBlow(&w.faults[k])
		if w.opt.Faults[k] > 0 && n.strikeLast(k, &b) {
			w.struck(k, n.name)
		}
	}
	n.down("without power")
	w.after(refusalTime, event{kind: evPhase, n: uint64(phaseDone)})
	return true
}

func (n *node) strikeLast(k faultKind, b *blow) bool {
	switch k {
	case metadataRot:
		return n.rotMetadata(b)
	case wipe:
		return n.wipe(b)
	}
	file, hit := n.spoilNow(k, b)
	if hit {
		n.w.refusal.spoiled = append(n.w.refusal.spoiled, file)
	}
	return hit
}

// rotMetadata turns a bit of a metadata record that the platter has.
func (n *node) rotMetadata(b *blow) bool {
	folder := n.rootOf(0) + "__cluster_metadata-0"
	names, _ := n.disk.DurableNames(folder)
	all := n.batchesOf(logFiles(folder, names))
	if len(all) == 0 {
		return false
	}
	v := all[int(b.size)%len(all)]
	data, _ := n.disk.DurableData(v.path)
	at := v.pos + 21 + int64(b.size)%(v.end-v.pos-21) // what the CRC covers
	err := n.disk.Corrupt(v.path, at, []byte{data[at] ^ 1<<(b.small%8)})
	r := n.w.refusal
	r.rotten, r.above, r.unread = err == nil, v.batch.NextOffset() > n.metadataPoint(), v.batch.NextOffset() <= n.newestSnapshot()
	return err == nil
}

// metadataPoint is the recovery point of the metadata log, as the platter has it.
func (n *node) metadataPoint() record.Offset {
	text, _ := n.disk.DurableData(n.rootOf(0) + core.RecoveryPointCheckpoint)
	list, _ := core.ParseCheckpoint(text)
	for _, e := range list {
		if e.Topic == stream.MetadataName {
			return e.Offset
		}
	}
	return 0
}

// newestSnapshot is the end of the newest snapshot of the metadata on the platter.
func (n *node) newestSnapshot() (end record.Offset) {
	names, _ := n.disk.DurableNames(n.rootOf(0) + core.SnapshotFolder)
	for _, name := range names {
		var at, epoch record.Offset
		if _, err := fmt.Sscanf(name, "%d-%d.checkpoint", &at, &epoch); err == nil {
			end = max(end, at)
		}
	}
	return end
}

// wipe empties the disk, or one of two directories.
func (n *node) wipe(b *blow) bool {
	dir := b.small % n.w.opt.Dirs
	n.w.refusal.wiped[dir] = true
	if dir == 0 {
		clear(n.watched)
		clear(n.epochs) // with an empty disk everything begins anew
	}
	return n.disk.Wipe(strings.TrimSuffix(n.rootOf(dir), "/")) == nil
}

// mayRefuse reports whether the node has a reason not to serve something.
func (r *refusal) mayRefuse() bool { return r != nil && (r.rotten || r.wiped[0] || len(r.spoiled) > 0) }

// refuses takes note that the node does not start; false if it has no reason.
func (r *refusal) refuses(why string) bool {
	if !r.mayRefuse() {
		return false
	}
	r.halted = why
	return true
}

// judgeRefusal compares what the node makes of its directories with what was done to them.
func (w *World) judgeRefusal() {
	r, n := w.refusal, w.nodes[0]
	switch {
	case r.halted != "" && r.wiped[0]:
		w.reach(markHaltedByWipe)
	case r.halted != "" && r.rotten:
		w.reach(markHaltedByRot)
	case r.halted != "":
		w.judgeReason()
	case !n.serving():
		w.fail(Liveness, "refusal", fmt.Sprintf("%s after the last fault the node neither serves nor says why", refusalTime))
	case r.wiped[0] && n.p.streams > 0: // an empty directory says nothing of what was beside it
		w.fail(Correctness, "wipe", "the metadata directory is gone, the other one is not, and the node serves")
	case r.wiped[0]:
		if w.opt.Dirs == 1 && n.p.view.ClusterID == r.cluster || n.p.view.Image.TopicCount() > 0 {
			w.fail(Correctness, "wipe", fmt.Sprintf("the disk is empty, and the node serves as cluster %s, which was %s", n.p.view.ClusterID, r.cluster))
		}
	case r.rotten && !r.above && !r.unread:
		w.fail(Correctness, "metadata", "a record of the metadata rotted below the log's recovery point, and the node serves")
	default:
		w.judgeServed()
	}
}

// judgeReason: who reads why the node does not start must learn which file it is.
func (w *World) judgeReason() {
	r := w.refusal
	for _, file := range r.spoiled {
		if strings.Contains(r.halted, path.Base(file)) || imageRot.spoils(file) && strings.Contains(r.halted, "snapshot") {
			w.reach(markHaltedBySpoiled)
			return
		}
	}
	w.fail(Correctness, "refusal", fmt.Sprintf("%v rotted, and the node does not start because: %s", r.spoiled, r.halted))
}

// lacksName reports whether the file is damaged that says which partition a folder holds; or the line of the list may be that struck a deleted one out.
func (r *refusal) lacksName(topic string, partition int32) bool {
	return slices.ContainsFunc(r.spoiled, func(file string) bool {
		return path.Base(file) == segment.StreamsFile && topic == churnTopic || strings.HasSuffix("/"+file, fmt.Sprintf("/%s-%d/partition.metadata", topic, partition))
	})
}

// judgeServed: all topics are there, and of every partition either all that was acknowledged, or an error where its directory was wiped.
func (w *World) judgeServed() {
	r, n := w.refusal, w.nodes[0]
	for _, t := range w.opt.Topics {
		if now, ok := n.p.view.Image.Topic(t.Name); r.topics[t.Name] != (record.UUID{}) && (!ok || now.ID != r.topics[t.Name]) {
			w.fail(Correctness, "metadata", "topic "+t.Name+" is gone with a record that the disk changed")
		}
	}
	w.judgeHeld()
	list, _, _ := n.p.core.Inspect(core.Place{}, 1<<20, nil)
	offline := len(r.inDir)
	for _, s := range list {
		dir, was := r.inDir[s.Stream]
		gone := was && r.wiped[dir]
		if !s.Failed {
			offline--
		}
		p := w.ledger.named(s.Topic, s.Stream.Partition)
		switch {
		case gone && !s.Failed:
			w.fail(Correctness, "wipe", fmt.Sprintf("%s-%d is served, and its directory is gone", s.Topic, s.Stream.Partition))
		case !gone && s.Failed && r.lacksName(s.Topic, s.Stream.Partition):
			w.reach(markSpoiledOffline)
		case !gone && s.Failed:
			w.fail(Correctness, "wipe", fmt.Sprintf("%s-%d is not served, and its directory is there", s.Topic, s.Stream.Partition))
		case !gone && p != nil && w.durable(s.Topic) && s.LogEnd < p.ackedEnd:
			w.fail(Correctness, "R9", fmt.Sprintf("%s-%d ends at %d, and offsets below %d were acknowledged", s.Topic, s.Stream.Partition, s.LogEnd, p.ackedEnd))
		}
	}
	if r.wiped[len(r.wiped)-1] && offline > 0 {
		w.reach(markDirWiped)
	}
}
