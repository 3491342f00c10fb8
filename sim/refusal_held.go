package sim

import (
	"fmt"
	"slices"

	"odradek/core/image"
	"odradek/core/record"
)

// heldBefore is what the node held when the last faults struck. Where they do not stop its start, all of it is there afterwards: metadata that was settled, and the files
// of every partition, of one that cannot be served, too.
type heldBefore struct {
	image *image.Image        // nil: a change of it was under way
	logs  map[string][]string // by folder
}

// settled returns the metadata, if nothing that was asked for can still come or go.
func (n *node) settled() *image.Image {
	if q := n.p.core.Quorum(); q.HighWatermark < q.LogEnd {
		return nil
	}
	return n.p.view.Image
}

// logsHeld lists the log files of clients' topics on the platter. Those topics are never deleted.
func (n *node) logsHeld() map[string][]string {
	held := map[string][]string{}
	for _, t := range n.w.opt.Topics {
		for p := range t.Partitions {
			held[fmt.Sprintf("%s-%d", t.Name, p)] = n.logs(t.Name, p)
		}
	}
	return held
}

// judgeHeld compares what is there now with what was.
func (w *World) judgeHeld() {
	r, n := w.refusal, w.nodes[0]
	for _, t := range w.opt.Topics {
		for p := range t.Partitions {
			folder := fmt.Sprintf("%s-%d", t.Name, p)
			if !r.lacksName(t.Name, p) {
				continue
			}
			now := n.logs(t.Name, p)
			for _, path := range r.before.logs[folder] {
				if !slices.Contains(now, path) && !slices.Contains(r.wiped, true) {
					w.fail(Correctness, "S5", fmt.Sprintf("%s is deleted, and it was %s's partition.metadata that rotted", path, folder))
				}
			}
		}
	}
	if was := r.before.image; was != nil && !(r.rotten && r.above) { // else only the topics are looked at
		w.judgeImage(was, n.p.view.Image)
	}
}

// judgeImage: a start changes nothing of the metadata but what it says of the node, and who leads a partition in which epoch.
func (w *World) judgeImage(was, is *image.Image) {
	before, after := lasting(was), lasting(is)
	if is.NextProducerID() < was.NextProducerID() {
		w.fail(Correctness, "metadata", fmt.Sprintf("the next producer id is %d, and was %d", is.NextProducerID(), was.NextProducerID()))
	}
	for i := range max(len(before), len(after)) {
		switch {
		case i >= len(before):
			w.fail(Correctness, "metadata", "there is a record more after the last fault: "+after[i])
		case i >= len(after):
			w.fail(Correctness, "metadata", "there is a record less after the last fault: "+before[i])
		case before[i] != after[i]:
			w.fail(Correctness, "metadata", fmt.Sprintf("after the last fault the metadata has %s where it had %s", after[i], before[i]))
		}
	}
}

// lasting writes the records of an image that a start does not change, in their order.
func lasting(img *image.Image) (out []string) {
	level := img.Feature(image.MetadataVersion)
	for r := range img.Records() {
		switch x := r.(type) {
		case *image.RegisterBrokerRecord, *image.RegisterControllerRecord, *image.ProducerIDsRecord:
			continue
		case *image.PartitionRecord:
			p := *x
			p.Leader, p.LeaderEpoch, p.PartitionEpoch, p.RecoveryState, p.Isr, p.Elr, p.LastKnownElr, p.Directories = record.NoNode, 0, 0, 0, nil, nil, nil, nil
			r = &p
		}
		value, err := image.AppendRecord(nil, r, image.VersionFor(r, level))
		out = append(out, fmt.Sprintf("%T %q %v", r, value, err))
	}
	return out
}
