package sim

import (
	"fmt"

	"odradek/core/api"
	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// term is how far a partition's epochs have come in what was published. What is committed is durable, so they outlive processes.
type term struct{ leader, partition int32 }

// checkImage looks at metadata that are about to be published: the node leads what lies in directories that it has, and nothing else; no epoch goes back, and
// each change of a leader is one of the partition, too.
func (n *node) checkImage(img *image.Image) {
	n.checkSame(img)
	if n.w.cfg.BlackBox || n.w.refusal != nil || !n.w.alone() { // damaged metadata may be the beginning of others
		return
	}
	self := n.self()
	b, registered := img.Broker(self)
	for t := range img.Topics() {
		for i, p := range t.Partitions {
			id := stream.ID{Topic: t.ID, Partition: int32(i)}
			was, now := n.terms[id], term{int32(p.LeaderEpoch), p.PartitionEpoch}
			if now.leader < was.leader || now.partition < was.partition || now.leader-was.leader > now.partition-was.partition {
				n.w.fail(Correctness, "image", fmt.Sprintf("%s-%d: leader epoch %d and partition epoch %d follow upon %d and %d", t.Name, i, now.leader, now.partition, was.leader, was.partition))
			}
			n.terms[id] = now
			if online := registered && image.DirOnline(p.DirectoryOf(self), b.LogDirs); p.Leader != record.NoNode && !online || p.Leader == record.NoNode && online && !b.Fenced {
				n.w.fail(Correctness, "image", fmt.Sprintf("%s-%d is led by %d; its directory is %s, and the node has %v", t.Name, i, p.Leader, p.DirectoryOf(self), b.LogDirs))
			}
		}
	}
	if img.NextProducerID() < n.nextProducer {
		n.w.fail(Correctness, "image", fmt.Sprintf("the next producer id goes back from %d to %d", n.nextProducer, img.NextProducerID()))
	}
	n.nextProducer = img.NextProducerID()
}

// checkRegistered: a node that serves is registered as what it is.
func (n *node) checkRegistered() {
	if n.w.cfg.BlackBox || !n.w.opt.Nodes[n.id].Broker {
		return
	}
	b, ok := n.p.view.Image.Broker(n.self())
	switch {
	case !ok || b.Fenced || b.Incarnation != n.p.incarnation:
		n.w.fail(Correctness, "image", fmt.Sprintf("the node serves as incarnation %s, and is registered: %t, as %+v", n.p.incarnation, ok, b))
	case len(b.Endpoints) == 0 || len(b.Features) == 0:
		n.w.fail(Correctness, "image", fmt.Sprintf("the node serves, and is registered without an address or its versions: %+v", b))
	}
}

// hinted: who is told that another leads is told who does, by the metadata that are published, and where that one is (KIP-951).
func (c *serverConn) hinted(topic string, partition int32, leader record.NodeID, epoch record.Epoch, nodes []api.Node) {
	img := c.n.p.view.Image
	if c.n.w.cfg.BlackBox || img == nil {
		return
	}
	want, wantEpoch := record.NoNode, record.NoEpoch
	if t, ok := img.Topic(topic); ok && int(partition) < len(t.Partitions) {
		want, wantEpoch = t.Partitions[partition].Leader, t.Partitions[partition].LeaderEpoch
	}
	where := 0
	for _, at := range nodes {
		if at.ID == want && at.Host != "" && at.Port > 0 {
			where++
		}
	}
	if b, known := img.Broker(want); leader != want || epoch != wantEpoch || known && !b.Fenced && where != 1 {
		c.n.w.fail(Correctness, "hint", fmt.Sprintf("%s-%d: the answer names leader %d in epoch %d, at %v; it is %d in %d", topic, partition, leader, epoch, nodes, want, wantEpoch))
	}
}
