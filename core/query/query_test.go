package query

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

func view(t *testing.T, entries ...config.Entry) *View {
	cfg, err := config.ParseNode(entries)
	if err != nil {
		t.Fatal(err)
	}
	id := record.UUID{1}
	img, err := image.Empty().Replay([]image.Record{
		&image.RegisterBrokerRecord{BrokerID: 1, IncarnationID: record.UUID{2}, EndPoints: []image.Endpoint{{Name: "PLAINTEXT", Host: "configured", Port: 9}}},
		&image.RegisterBrokerRecord{BrokerID: 2, IncarnationID: record.UUID{3}, Fenced: true},
		&image.TopicRecord{Name: "t", ID: id},
		&image.PartitionRecord{TopicID: id, Replicas: []record.NodeID{1}, Isr: []record.NodeID{1}, Leader: 1, LeaderEpoch: 4},
		&image.PartitionRecord{PartitionID: 1, TopicID: id, Replicas: []record.NodeID{2}, Isr: []record.NodeID{2}, Leader: record.NoNode},
	}, image.At{Offset: 5})
	if err != nil {
		t.Fatal(err)
	}
	return &View{Image: img, Self: 1, ClusterID: "c", Config: cfg}
}

func metadata(version int16, names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = version
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	return req
}

func TestMetadata(t *testing.T) {
	v := view(t)
	resp := Metadata(v, metadata(12), api.Reached{Listener: "PLAINTEXT", Address: "10.0.0.7:9092"})
	if len(resp.Brokers) != 1 || resp.Brokers[0].Host != "10.0.0.7" || resp.Brokers[0].Port != 9092 {
		t.Errorf("brokers %+v: a fenced one is hidden, and we are where the client reached us", resp.Brokers)
	}
	if len(resp.Topics) != 1 || *resp.Topics[0].Topic != "t" || resp.Topics[0].Partitions[0].LeaderEpoch != 4 {
		t.Errorf("topics %+v", resp.Topics)
	}
	if p := resp.Topics[0].Partitions[1]; errcode.Code(p.ErrorCode) != errcode.LeaderNotAvailable {
		t.Errorf("a partition without leader: %+v", p)
	}
	resp = Metadata(v, metadata(12, "nope", "b/d"), api.Reached{Listener: "PLAINTEXT", Address: "[::1]:9092"})
	if errcode.Code(resp.Topics[0].ErrorCode) != errcode.UnknownTopicOrPartition || errcode.Code(resp.Topics[1].ErrorCode) != errcode.InvalidTopicException {
		t.Errorf("topics %+v", resp.Topics)
	}
	if resp.Brokers[0].Host != "::1" {
		t.Errorf("host %s", resp.Brokers[0].Host)
	}
	byID := metadata(12)
	byID.Topics = []kmsg.MetadataRequestTopic{{TopicID: [16]byte{1}}, {TopicID: [16]byte{9}}}
	resp = Metadata(v, byID, api.Reached{Listener: "PLAINTEXT", Address: "h:1"})
	if *resp.Topics[0].Topic != "t" || errcode.Code(resp.Topics[1].ErrorCode) != errcode.UnknownTopicID {
		t.Errorf("by id: %+v", resp.Topics)
	}
	advertised := view(t, config.Entry{Key: "advertised.listeners", Value: "PLAINTEXT://configured:9"})
	if b := Metadata(advertised, metadata(12), api.Reached{Listener: "PLAINTEXT", Address: "h:1"}).Brokers[0]; b.Host != "configured" || b.Port != 9 {
		t.Errorf("advertised as %+v", b)
	}
}

func TestWhoMakesTopics(t *testing.T) {
	v := view(t)
	allowed := metadata(12, "new")
	allowed.AllowAutoTopicCreation = true
	if _, ok := Answer(v, allowed, api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); ok {
		t.Error("a topic to be made is answered without the core")
	}
	if _, ok := Answer(v, metadata(12, "new"), api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); !ok {
		t.Error("a request that allows no creation goes to the core")
	}
	if _, ok := Answer(v, metadata(3, "new"), api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); ok {
		t.Error("before version 4 creation is always allowed")
	}
	if _, ok := Answer(view(t, config.Entry{Key: "auto.create.topics.enable", Value: "false"}), allowed, api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); !ok {
		t.Error("auto.create.topics.enable=false makes topics")
	}
	bad := metadata(12, "b/d")
	bad.AllowAutoTopicCreation = true
	if _, ok := Answer(v, bad, api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); !ok {
		t.Error("a name that cannot be goes to the core")
	}
	if _, ok := Answer(v, kmsg.NewPtrCreateTopicsRequest(), api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); ok {
		t.Error("CreateTopics is answered without the core")
	}
}

func TestCoordinatorsAreNotAvailable(t *testing.T) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.Version, req.CoordinatorKeys = 4, []string{"a", "b"}
	resp := FindCoordinator(req)
	if len(resp.Coordinators) != 2 || errcode.Code(resp.Coordinators[0].ErrorCode) != errcode.CoordinatorNotAvailable {
		t.Errorf("%+v", resp)
	}
	req.Version = 2
	if resp := FindCoordinator(req); errcode.Code(resp.ErrorCode) != errcode.CoordinatorNotAvailable {
		t.Errorf("%+v", resp)
	}
}

func TestDescribeCluster(t *testing.T) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.Version, req.EndpointType = 2, 1
	if resp := DescribeCluster(view(t), req, api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); len(resp.Brokers) != 1 || resp.ClusterID != "c" || resp.ControllerID != 1 {
		t.Errorf("%+v", resp)
	}
	req.IncludeFencedBrokers = true
	if resp := DescribeCluster(view(t), req, api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); len(resp.Brokers) != 2 {
		t.Errorf("%+v", resp)
	}
	req.EndpointType = 2
	if resp := DescribeCluster(view(t), req, api.Reached{Listener: "PLAINTEXT", Address: "h:1"}); errcode.Code(resp.ErrorCode) != errcode.MismatchedEndpointType {
		t.Errorf("%+v", resp)
	}
}

// A client of several listeners is told addresses of the one that it came through, so that one behind a gateway is not sent to an inner address.
func TestEachListenerHasItsAddresses(t *testing.T) {
	v := view(t, config.Entry{Key: "listeners", Value: "IN://:19092,OUT://:29092,BARE://:39092"},
		config.Entry{Key: "listener.security.protocol.map", Value: "IN:PLAINTEXT,OUT:PLAINTEXT,BARE:PLAINTEXT"},
		config.Entry{Key: "advertised.listeners", Value: "IN://broker:19092,OUT://gateway:80"})
	img, err := v.Image.Replay([]image.Record{&image.RegisterBrokerRecord{BrokerID: 1, IncarnationID: record.UUID{2},
		EndPoints: []image.Endpoint{{Name: "IN", Host: "broker", Port: 19092}, {Name: "OUT", Host: "gateway", Port: 80}}}}, image.At{Offset: 6})
	if err != nil {
		t.Fatal(err)
	}
	v.Image = img
	for listener, want := range map[string]string{"IN": "broker", "OUT": "gateway", "BARE": "10.0.0.7"} { // any order: each by itself
		at := api.Reached{Listener: listener, Address: "10.0.0.7:39092"}
		if got := Metadata(v, metadata(12), at).Brokers[0].Host; got != want {
			t.Errorf("Metadata through %s names %s, want %s", listener, got, want)
		}
		if got := DescribeCluster(v, kmsg.NewPtrDescribeClusterRequest(), at).Brokers[0].Host; got != want {
			t.Errorf("DescribeCluster through %s names %s, want %s", listener, got, want)
		}
	}
}
