package sim

// mark is a rare state that some seeds must reach: a sweep lists those that none did. A test that never comes near a state proves nothing of it.
type mark uint8

// The marks.
const (
	markCutInRecovery mark = iota
	markTornTail
	markReplayedTwice
	markNoRoomAtStart
	markDirLost
	markWholeLost
	markOutOfOrder
	markRefusedFull
	markRolled
	markRetained
	markRetainedAll
	markTrimmed
	markLostRange
	markLostAtEnd
	markCorruptTold
	markCorruptServed
	markHaltedByRot
	markHaltedByWipe
	markDirWiped
	markSnapshot
	markParkedWoken
	markParkedExpired
	markManyExtents
	markStaleAfterStop
	markRelaxedLost
	markCleanStart
	markIndexRoom
	markRotAtLoss
	markHaltedBySpoiled
	markSnapshotPassedOver
	markSpoiledOffline
	markSequenceWrapped
	markLeaderChanged
	markMetadataCut
	markVoterWiped
	markReplicaCut
	markSnapshotFetched
	markISRJoined
	markReplicaWiped
	markDark
	markRelaxedGone
	markRelaxedOverrun
	markReplicaMended
	markHurtLeads
	markDirReplaced
	markUnclearBatch
	markNextTaken
	markNextDropped
	markFilled
	markFilledAtStart
	markKinds
)

// MarkNames are the marks' names, in the order of Result.Marks.
var MarkNames = [markKinds]string{
	"the power failed while recovery wrote", "recovery cut a torn tail", "a process died before it was ready", "a start failed for want of space",
	"one of two directories was given up", "the node was given up with its metadata directory", "a batch came out of order", "a batch was refused with KAFKA_STORAGE_ERROR", "a segment was rolled", "retention deleted a segment",
	"retention deleted the active segment", "records were deleted by request", "recovery found lost offsets", "recovery found the log's end lost",
	"a fetch was answered CORRUPT_MESSAGE", "a reader refused what the disk changed", "damaged metadata stopped a start", "a wiped metadata directory stopped a start",
	"a wiped directory took its partitions offline", "a snapshot of the metadata was stored", "a parked fetch was woken by records", "a parked fetch expired",
	"a fetch was answered from several segments", "an answer of an ended process arrived", "a power loss took acknowledged records of a relaxed topic",
	"a start followed a clean stop", "an index had room set aside when recovery was done", "a file rotted while the power failed",
	"a damaged file stopped a start", "a damaged snapshot of the metadata was passed over", "a partition was offline for want of its partition.metadata", "a producer's sequences began at 0 again",
	"another node led the metadata quorum", "a metadata log was cut", "a node's disk was wiped", "a replica was cut", "a metadata log began anew with a fetched snapshot", "a replica joined an ISR", "a replica's disk came back empty", "the power of all nodes failed at once", "a power loss took batches of a replica of a relaxed topic", "a leader of a relaxed topic lacked what more replicas had lost than may",
	"a damaged replica was copied anew", "a damaged replica led, for want of another", "a log directory came back empty", "a batch of unclear fate was refused as out of order to the end",
	"a start took in a segment that had begun before what was before it was durable", "a start removed such a segment",
	"a log's file ended with a step of zeros", "a start found a log's file that ended with zeros",
}

// reach notes that a rare state was reached.
func (w *World) reach(m mark) { w.marks[m] = true }
