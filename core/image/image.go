package image

// Image is the committed metadata.
type Image struct{}
