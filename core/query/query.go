// Package query answers the requests that the committed image alone decides. Its functions are pure, so connections run them beside the core.
package query

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/config"
	"odradek/core/image"
	"odradek/core/record"
)

// View is what the answers are taken from.
type View struct {
	Image     *image.Image // committed
	Self      record.NodeID
	ClusterID string
	Config    *config.Node
}

// What everyone may do while nothing restricts it: a bit for each of Kafka's operations (AclOperation) that there are for a cluster and for a topic.
const (
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12       // create, alter, describe, cluster action, describe and alter configs, idempotent write
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11 // read, write, create, delete, alter, describe, describe and alter configs
)

// Answer answers a request from the view, or returns false if the core must decide it.
func Answer(v *View, body kmsg.Request, at api.Reached) (kmsg.Response, bool) {
	switch req := body.(type) {
	case *kmsg.MetadataRequest:
		if v.Config.AutoCreateTopics && len(Missing(v.Image, req)) > 0 {
			return nil, false
		}
		return Metadata(v, req, at), true
	case *kmsg.DescribeClusterRequest:
		if v.Config.ControllerListener(at.Listener) {
			return nil, false // who leads stands in no image
		}
		return DescribeCluster(v, req, at), true
	case *kmsg.DescribeConfigsRequest:
		return DescribeConfigs(v, req), true
	case *kmsg.DescribeTopicPartitionsRequest:
		return DescribeTopicPartitions(v, req), true
	case *kmsg.ListConfigResourcesRequest:
		return ListConfigResources(v, req), true
	case *kmsg.ListPartitionReassignmentsRequest:
		return ListPartitionReassignments(v, req), true
	case *kmsg.FindCoordinatorRequest:
		return FindCoordinator(req), true
	}
	return nil, false
}
