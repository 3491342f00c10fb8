package query

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
)

// TestAuthorizedOperations: Kafka's numbers where nothing restricts anyone, told only to who asks, and by DescribeTopicPartitions always.
func TestAuthorizedOperations(t *testing.T) {
	v := view(t)
	name, never := "t", "never"
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 10
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}, {Topic: &never}}
	if r := Metadata(v, req, api.Reached{}); r.AuthorizedOperations >= 0 || r.Topics[0].AuthorizedOperations >= 0 {
		t.Errorf("nobody asked: %+v", r)
	}
	req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = true, true
	if r := Metadata(v, req, api.Reached{}); r.AuthorizedOperations != 8096 || r.Topics[0].AuthorizedOperations != 3576 || r.Topics[1].AuthorizedOperations != 3576 {
		t.Errorf("%+v", r)
	}
	cluster := kmsg.NewPtrDescribeClusterRequest()
	cluster.Version, cluster.EndpointType, cluster.IncludeClusterAuthorizedOperations = 2, 1, true
	if r := DescribeCluster(v, cluster, api.Reached{}); r.ClusterAuthorizedOperations != 8096 || r.ControllerID != 1 {
		t.Errorf("%+v", r)
	}
	cluster.EndpointType = 2
	if r := DescribeCluster(v, cluster, api.Reached{}); errcode.Code(r.ErrorCode) != errcode.MismatchedEndpointType || r.ClusterID != "" || r.ControllerID != -1 || len(r.Brokers) != 0 {
		t.Errorf("of another endpoint: %+v", r)
	}
	cluster.EndpointType = 3
	if r := DescribeCluster(v, cluster, api.Reached{}); errcode.Code(r.ErrorCode) != errcode.UnsupportedEndpointType {
		t.Errorf("of no endpoint: %+v", r)
	}
	topics := kmsg.NewPtrDescribeTopicPartitionsRequest()
	topics.ResponsePartitionLimit = 10
	topics.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: name}}
	if r := DescribeTopicPartitions(v, topics); r.Topics[0].AuthorizedOperations != 3576 {
		t.Errorf("%+v", r.Topics)
	}
}

// TestMetadataByID: before version 12 an id is refused, and nothing else is told; from then on a request that has one is by id.
func TestMetadataByID(t *testing.T) {
	v := view(t)
	name := "t"
	topic, _ := v.Image.Topic(name)
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 11
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name, TopicID: topic.ID}}
	if r := Metadata(v, req, api.Reached{}); len(r.Topics) != 1 || errcode.Code(r.Topics[0].ErrorCode) != errcode.InvalidRequest || r.ClusterID != nil || len(r.Brokers) != 0 {
		t.Errorf("version 11: %+v", r)
	}
	req.Version, req.AllowAutoTopicCreation = 12, true
	never := "never"
	req.Topics = []kmsg.MetadataRequestTopic{{TopicID: topic.ID}, {Topic: &never}}
	if r := Metadata(v, req, api.Reached{}); len(r.Topics) != 1 || *r.Topics[0].Topic != name || len(Missing(v.Image, req)) != 0 {
		t.Errorf("version 12: %+v", r.Topics)
	}
}
