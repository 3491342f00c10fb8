package core

import (
	"testing"

	"odradek/core/api"
	"odradek/core/image"
	"odradek/core/partition"
	"odradek/core/record"
)

// A leader that has not heard of a follower's new registration counts one as a member that the controller has taken out of the ISR: what that one has now is claimed by the fetch of a
// broker epoch that the leader does not know, and counts when it does (seed 622179 of cluster: two replicas acknowledged, one of them lost it, and the other could not lead).
func TestClaimsOfAnUnknownBrokerEpoch(t *testing.T) {
	c, rep, _ := copier(t)
	a := *rep.Assigned()
	a.LeaderEpoch, a.PartitionEpoch, a.Replicas, a.ISR = a.LeaderEpoch+1, a.PartitionEpoch+1, []record.NodeID{c.self, 2}, []record.NodeID{c.self, 2}
	rep.Assign(a, 0, &partition.Facts{})
	at := c.meta.committed.At()
	at.Offset++
	img, err := c.meta.committed.Replay([]image.Record{&image.RegisterBrokerRecord{BrokerID: 2, BrokerEpoch: 7}}, at)
	if err != nil {
		t.Fatal(err)
	}
	c.meta.committed = img
	before := rep.HighWatermark()
	rep.Append(&record.Batch{Count: 1, Size: 70}, 0, 0)
	rep.OnWritten(rep.Generation, rep.Ends.Log, &partition.Facts{})
	rep.OnDurable(rep.Generation, rep.Ends.Log, &partition.Facts{})
	for _, x := range []struct {
		epoch int64
		moves bool
	}{{9, false}, {-1, false}, {7, true}} {
		c.heard(&api.FetchRequest{ReplicaID: 2, ReplicaEpoch: x.epoch, Partitions: []api.FetchPartition{
			{Topic: rep.Topic, Offset: rep.Ends.Log, CurrentEpoch: a.LeaderEpoch, LastFetchedEpoch: a.LeaderEpoch}}})
		if moved := rep.HighWatermark() > before; moved != x.moves {
			t.Errorf("a claim of broker epoch %d, and 7 is known: the high watermark moves from %d to %d", x.epoch, before, rep.HighWatermark())
		}
	}
}
