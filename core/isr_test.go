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
	c, rep, claim := claimer(t)
	c.registers(t, 2, 7)
	before := rep.HighWatermark()
	for _, x := range []struct {
		epoch int64
		moves bool
	}{{-1, false}, {9, false}, {7, true}} {
		c.heard(claim(x.epoch))
		if moved := rep.HighWatermark() > before; moved != x.moves {
			t.Errorf("a claim of broker epoch %d, and 7 is known: the high watermark moves from %d to %d", x.epoch, before, rep.HighWatermark())
		}
	}
}

// Such a claim is entered when the registration is known: a follower that has nothing to fetch names the partition no more (seed 660839 of cluster: it never came to be in sync).
func TestClaimsWaitForTheRegistration(t *testing.T) {
	c, rep, claim := claimer(t)
	c.heard(claim(9))
	for epoch := int64(7); epoch <= 9; epoch++ {
		want := rep.Ends.Log - 1
		if epoch == 9 {
			want++
		}
		c.registers(t, 2, epoch)
		if c.hearRegistered(); rep.HighWatermark() != want {
			t.Errorf("broker epoch %d is known, and 9 claimed all: the high watermark is %d, want %d", epoch, rep.HighWatermark(), want)
		}
	}
}

// While the partitions are not all as the committed image says, its ISR may be one of before the registration: the claim waits for that, too (seed 740174 of cluster).
func TestClaimsWaitForTheTakeUp(t *testing.T) {
	c, rep, claim := claimer(t)
	c.registers(t, 2, 9)
	c.takeUps = append(c.takeUps, rep.ID)
	c.heard(claim(9))
	for _, want := range []record.Offset{rep.Ends.Log - 1, rep.Ends.Log} {
		if c.hearRegistered(); rep.HighWatermark() != want {
			t.Errorf("%d partitions to take up: the high watermark is %d, want %d", len(c.takeUps), rep.HighWatermark(), want)
		}
		c.takeUps = nil
	}
}

// claimer is a core that leads a partition for itself and broker 2, both in sync, with a record more than broker 2 has claimed; claim is the fetch that claims it, from an incarnation of
// that broker.
func claimer(t *testing.T) (c *Core, rep *replica, claim func(brokerEpoch int64) *api.FetchRequest) {
	c, rep, _ = copier(t)
	a := *rep.Assigned()
	a.LeaderEpoch, a.PartitionEpoch, a.Replicas, a.ISR = a.LeaderEpoch+1, a.PartitionEpoch+1, []record.NodeID{c.self, 2}, []record.NodeID{c.self, 2}
	rep.Assign(a, 0, &partition.Facts{})
	rep.Append(&record.Batch{Count: 1, Size: 70}, 0, 0)
	rep.OnWritten(rep.Generation, rep.Ends.Log, &partition.Facts{})
	rep.OnDurable(rep.Generation, rep.Ends.Log, &partition.Facts{})
	return c, rep, func(brokerEpoch int64) *api.FetchRequest {
		return &api.FetchRequest{ReplicaID: 2, ReplicaEpoch: brokerEpoch, Partitions: []api.FetchPartition{
			{Topic: rep.Topic, Offset: rep.Ends.Log, CurrentEpoch: a.LeaderEpoch, LastFetchedEpoch: a.LeaderEpoch}}}
	}
}

// registers puts a broker into the committed image.
func (c *Core) registers(t *testing.T, id record.NodeID, epoch int64) {
	t.Helper()
	at := c.meta.committed.At()
	at.Offset++
	img, err := c.meta.committed.Replay([]image.Record{&image.RegisterBrokerRecord{BrokerID: id, BrokerEpoch: epoch}}, at)
	if err != nil {
		t.Fatal(err)
	}
	c.meta.committed = img
}
