package proto

import (
	"testing"

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
