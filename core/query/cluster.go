package query

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// The types of endpoints that DescribeCluster (version 1) asks for.
const (
	brokerEndpoints     = 1
	controllerEndpoints = 2
)

// wrongEndpoint answers a request for endpoints that are not those of the listener.
func wrongEndpoint(req *kmsg.DescribeClusterRequest, here int8) *kmsg.DescribeClusterResponse {
	asked := req.EndpointType
	if req.Version < 1 {
		asked = brokerEndpoints
	}
	if asked == here {
		return nil
	}
	message, code := "The request was sent to an endpoint of the wrong type.", errcode.MismatchedEndpointType
	if asked != brokerEndpoints && asked != controllerEndpoints {
		message, code = "Unsupported endpoint type", errcode.UnsupportedEndpointType
	}
	response := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	response.ErrorCode, response.ErrorMessage = int16(code), &message
	return response
}

// DescribeControllers answers DescribeCluster at a listener of the controller's: the voters, and which of them is the active controller.
func DescribeControllers(v *View, req *kmsg.DescribeClusterRequest, active record.NodeID) *kmsg.DescribeClusterResponse {
	if wrong := wrongEndpoint(req, controllerEndpoints); wrong != nil {
		return wrong
	}
	response := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	response.EndpointType, response.ClusterID, response.ControllerID = controllerEndpoints, v.ClusterID, int32(active)
	if req.IncludeClusterAuthorizedOperations {
		response.ClusterAuthorizedOperations = clusterOperations
	}
	for _, voter := range v.Config.Quorum.Voters {
		out := kmsg.NewDescribeClusterResponseBroker()
		out.NodeID, out.Host, out.Port = int32(voter.ID), voter.Host, voter.Port
		response.Brokers = append(response.Brokers, out)
	}
	return response
}

// DescribeCluster answers DescribeCluster from the image. Fenced brokers are listed only if asked for (version 2).
func DescribeCluster(v *View, req *kmsg.DescribeClusterRequest, at api.Reached) *kmsg.DescribeClusterResponse {
	if wrong := wrongEndpoint(req, brokerEndpoints); wrong != nil {
		return wrong
	}
	response := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	response.ClusterID = v.ClusterID
	response.ControllerID = int32(v.controller())
	if req.IncludeClusterAuthorizedOperations {
		response.ClusterAuthorizedOperations = clusterOperations
	}
	for b := range v.Image.Brokers() {
		if b.Fenced && !req.IncludeFencedBrokers {
			continue
		}
		out := kmsg.NewDescribeClusterResponseBroker()
		out.NodeID, out.Rack, out.IsFenced = int32(b.ID), b.Rack, b.Fenced
		out.Host, out.Port = v.endpoint(b, at)
		response.Brokers = append(response.Brokers, out)
	}
	return response
}

// FindCoordinator answers COORDINATOR_NOT_AVAILABLE: no coordinator exists yet. The API is advertised because librdkafka enables LZ4 by its presence.
func FindCoordinator(req *kmsg.FindCoordinatorRequest) *kmsg.FindCoordinatorResponse {
	response := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	message := "groups and transactions are not served yet"
	code := int16(errcode.CoordinatorNotAvailable)
	if req.Version < 4 {
		response.ErrorCode, response.ErrorMessage, response.NodeID, response.Port = code, &message, -1, -1
		return response
	}
	for _, key := range req.CoordinatorKeys {
		out := kmsg.NewFindCoordinatorResponseCoordinator()
		out.Key, out.NodeID, out.Port, out.ErrorCode, out.ErrorMessage = key, -1, -1, code, &message
		response.Coordinators = append(response.Coordinators, out)
	}
	return response
}
