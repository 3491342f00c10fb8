package query

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
)

// DescribeCluster answers DescribeCluster from the image. Fenced brokers are listed only if asked for (version 2).
func DescribeCluster(v *View, req *kmsg.DescribeClusterRequest, at api.Reached) *kmsg.DescribeClusterResponse {
	response := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	if req.Version >= 1 && req.EndpointType != 1 {
		message, code := "The request was sent to an endpoint of the wrong type.", errcode.MismatchedEndpointType
		if req.EndpointType != 2 {
			message, code = "Unsupported endpoint type", errcode.UnsupportedEndpointType
		}
		response.ErrorCode, response.ErrorMessage = int16(code), &message
		return response
	}
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
