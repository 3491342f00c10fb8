package sim

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"odradek/core/image"
	"odradek/core/record"
)

// imageText tells an image in bytes by asking it for everything that clients and brokers ask it for. It does not go by Image.Records, from which snapshots are made: what these leave out
// must not be left out here, too.
type imageText []byte

// sum returns the hash of an image. Images that answer alike have the same one.
func (q *quorumWatch) sum(img *image.Image) uint64 {
	b := imageText(q.text[:0])
	b.number(int64(img.NextProducerID()))
	for name, level := range img.Features() {
		b.string(name)
		b.number(int64(level))
	}
	for broker := range img.Brokers() {
		b.broker(broker)
	}
	for c := range img.Controllers() {
		b.number(int64(c.ControllerID))
		b.ids(c.IncarnationID)
		b.reachable(c.EndPoints, c.Features)
	}
	for t := range img.Topics() {
		b.string(t.Name)
		b.ids(t.ID)
		for _, p := range t.Partitions {
			b.partition(p)
		}
	}
	for _, kind := range []image.ResourceType{image.ResourceTopic, image.ResourceBroker} {
		for _, name := range img.Configured(kind) {
			b.string(name)
			for _, e := range img.Config(kind, name) {
				b.string(e.Name)
				b.string(e.Value)
			}
		}
	}
	q.text = b
	return xxhash.Sum64(b)
}

func (b *imageText) number(n int64) { *b = binary.AppendVarint(*b, n) }

func (b *imageText) string(s string) {
	b.number(int64(len(s)))
	*b = append(*b, s...)
}

func (b *imageText) bool(v bool) {
	if v {
		b.number(1)
	} else {
		b.number(0)
	}
}

func (b *imageText) ids(ids ...record.UUID) {
	b.number(int64(len(ids)))
	for i := range ids {
		*b = append(*b, ids[i][:]...)
	}
}

func (b *imageText) nodes(lists ...[]record.NodeID) {
	for _, list := range lists {
		b.number(int64(len(list)))
		for _, id := range list {
			b.number(int64(id))
		}
	}
}

// reachable tells where somebody listens and what it can do.
func (b *imageText) reachable(endpoints []image.Endpoint, features []image.FeatureRange) {
	b.number(int64(len(endpoints)))
	for _, e := range endpoints {
		b.string(e.Name)
		b.string(e.Host)
		b.number(int64(e.Port))
		b.number(int64(e.SecurityProtocol))
	}
	b.number(int64(len(features)))
	for _, f := range features {
		b.string(f.Name)
		b.number(int64(f.Min))
		b.number(int64(f.Max))
	}
}

func (b *imageText) broker(r *image.Broker) {
	b.number(int64(r.ID))
	b.number(r.Epoch)
	b.ids(r.Incarnation)
	b.reachable(r.Endpoints, r.Features)
	if b.bool(r.Rack != nil); r.Rack != nil {
		b.string(*r.Rack)
	}
	b.bool(r.Fenced)
	b.bool(r.InControlledShutdown)
	b.ids(r.LogDirs...)
	b.bool(r.CordonedLogDirs == nil)
	b.ids(r.CordonedLogDirs...)
}

func (b *imageText) partition(p *image.Partition) {
	b.nodes(p.Replicas, p.Isr, p.Removing, p.Adding, p.Elr, p.LastKnownElr)
	b.ids(p.Directories...)
	b.number(int64(p.Leader))
	b.number(int64(p.LeaderEpoch))
	b.number(int64(p.PartitionEpoch))
	b.number(int64(p.RecoveryState))
}
