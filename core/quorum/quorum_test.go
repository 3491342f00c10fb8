package quorum

import (
	"fmt"
	"math"
	"testing"

	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
)

func boot(state string) (*Quorum, image.QuorumState, error) {
	var bytes []byte
	if state != "" {
		bytes = []byte(state)
	}
	log := stream.NewLog(stream.Metadata, 0, 0, 9, 9, []stream.Segment{{}}, []stream.EpochStart{{Epoch: 4}})
	var f Facts
	q, err := Boot(Config{Self: 1, Voters: []record.NodeID{1}, Limits: stream.RollLimits{Bytes: 1 << 20}}, log, bytes, 6, prng.FromNumber(1, 1), 0, &f)
	if err != nil {
		return nil, image.QuorumState{}, err
	}
	s, err := image.ParseQuorumState(f.Store)
	return q, s, err
}

// TestBootKeepsWhatKafkaWrote: the next epoch is above that of the file, of the log and of the newest snapshot; the file keeps its version.
func TestBootKeepsWhatKafkaWrote(t *testing.T) {
	for _, c := range []struct {
		state   string
		epoch   record.Epoch
		version int16
	}{
		{"", 7, 0},
		{`{"clusterId":"","leaderId":1,"leaderEpoch":8,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`, 9, 0},
		{`{"leaderId":1,"leaderEpoch":3,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`, 7, 1},
	} {
		q, next, err := boot(c.state)
		if err != nil || q.Epoch() != c.epoch || next.Epoch != c.epoch || next.Version != c.version || (len(next.Voters) == 1) != (c.version == 0) {
			t.Errorf("%s: %+v, %v", c.state, next, err)
		}
	}
}

// TestOtherVotersAreRefused: to lead alone where others vote would give the cluster two histories.
func TestOtherVotersAreRefused(t *testing.T) {
	if _, _, err := boot(`{"clusterId":"","leaderId":1,"leaderEpoch":8,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}`); err == nil {
		t.Error("two voters in quorum-state")
	}
	q, _, err := boot("")
	if err != nil {
		t.Fatal(err)
	}
	if controls := q.SnapshotControls(); len(controls) > 0 {
		t.Errorf("kraft.version 0 puts %v into a snapshot", controls)
	}
	alone := &image.Voters{Voters: []image.Voter{{ID: 1}}}
	for _, r := range []image.Control{&image.LeaderChange{}, &image.KRaftVersion{Level: 1}, alone} {
		if err := q.Take(r); err != nil {
			t.Error(err)
		}
	}
	if controls := q.SnapshotControls(); len(controls) != 2 || controls[1] != image.Control(alone) {
		t.Errorf("a snapshot gets %v", controls)
	}
	for _, voters := range [][]image.Voter{{{ID: 1}, {ID: 2}}, {{ID: 2}}, nil} {
		if q.Take(&image.Voters{Voters: voters}) == nil {
			t.Errorf("voters %v", voters)
		}
	}
}

// TestLastEpoch: there is no epoch behind the last one, and the first would be led in twice.
func TestLastEpoch(t *testing.T) {
	state := `{"clusterId":"","leaderId":1,"leaderEpoch":%d,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`
	if _, next, err := boot(fmt.Sprintf(state, math.MaxInt32-1)); err != nil || next.Epoch != math.MaxInt32 {
		t.Errorf("epoch %d, %v", next.Epoch, err)
	}
	if _, next, err := boot(fmt.Sprintf(state, math.MaxInt32)); err == nil {
		t.Errorf("it leads in epoch %d", next.Epoch)
	}
}
