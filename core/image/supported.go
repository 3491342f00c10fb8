package image

// Features of a cluster besides metadata.version (KIP-584).
const (
	EligibleLeaders = "eligible.leader.replicas.version" // replicas that left an ISR too small to commit anything may lead (KIP-966)
)

// Supported are the levels that a node of this release can run.
func Supported() []FeatureRange {
	return []FeatureRange{{Name: EligibleLeaders, Min: 0, Max: 1}, {Name: MetadataVersion, Min: MetadataVersionMin, Max: MetadataVersionLatest}}
}
