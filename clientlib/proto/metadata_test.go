package proto

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// What Kafka's clients take for retriable is tried again here. A broker that has just started answers InitProducerId with COORDINATOR_LOAD_IN_PROGRESS.
func TestMayPass(t *testing.T) {
	for code, want := range map[errcode.Code]bool{errcode.CoordinatorLoadInProgress: true, errcode.NotCoordinator: true, errcode.NetworkException: true, errcode.NotController: true, // any order: each by itself
		errcode.None: false, errcode.InvalidTopicException: false, errcode.TopicAuthorizationFailed: false, errcode.OffsetOutOfRange: false} {
		if mayPass(code) != want {
			t.Errorf("%v: %v", code, !want)
		}
	}
}

// A partition that is led by a broker of which nobody said where it is, is asked for again: an answer of a node that is behind may lack the broker, and tell of an older leader. Seed 3262
// of cluster waited for the next answer, which is due in five minutes.
func TestLeaderThatNobodyNamed(t *testing.T) {
	for _, named := range []bool{true, false} {
		m := metadata{topics: map[string]*topic{"t": {partitions: []leader{{1, 5}}}}, brokers: map[int32]broker{}}
		resp := kmsg.NewPtrMetadataResponse()
		for id := range int32(3) {
			if b := kmsg.NewMetadataResponseBroker(); named || id != 1 {
				b.NodeID, b.Host, b.Port = id, "h", 9092
				resp.Brokers = append(resp.Brokers, b)
			}
		}
		told := kmsg.NewMetadataResponseTopic()
		told.Topic = kmsg.StringPtr("t")
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Leader, p.LeaderEpoch = 2, 4
		told.Partitions = append(told.Partitions, p)
		m.takeBrokers(resp)
		if again := m.takeTopic(&Client{}, &told); again == named || m.topics["t"].partitions[0] != (leader{1, 5}) {
			t.Errorf("its leader is named: %t; asked again: %t, led by %v", named, again, m.topics["t"].partitions[0])
		}
	}
}

// A hint of a new leader helps if it is known where that is: the answer may say so itself (KIP-951), else metadata is asked for (seed 420542 of cluster waited for it without end).
func TestHintOfAnUnnamedLeader(t *testing.T) {
	m := metadata{topics: map[string]*topic{"t": {partitions: []leader{{1, 5}}}}, brokers: map[int32]broker{1: {address: "h:1"}}}
	for _, x := range []struct {
		l     leader
		named bool // by the answer
		helps bool
	}{{leader{2, 6}, false, false}, {leader{3, 7}, true, true}, {leader{1, 6}, false, false}, {leader{1, 8}, false, true}} {
		if x.named {
			m.name(x.l.broker, "h", 9092, nil)
		}
		if helps := m.hint("t", 0, x.l); helps != x.helps {
			t.Errorf("a hint of %+v helps: %t, want %t", x.l, helps, x.helps)
		}
	}
	if p := m.topics["t"].partitions[0]; p != (leader{1, 8}) || m.brokers[3].address != "h:9092" || !slices.Equal(m.order, []int32{3}) {
		t.Errorf("led by %+v; brokers %v in the order %v", p, m.brokers, m.order)
	}
}
