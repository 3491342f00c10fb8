package sim

import (
	"strings"

	"odradek/core"
	"odradek/core/controller"
	"odradek/core/image"
	"odradek/core/record"
)

// format leaves on a disk what kafka-storage format does: a bootstrap.checkpoint, here one that turns nothing on but metadata.version: a new cluster turns on eligible leader replicas by itself.
func (n *node) format() {
	fs := n.disk.Mount()
	root := strings.TrimSuffix(n.rootOf(0), "/")
	if root != "" {
		if err := fs.Mkdir(root); err != nil {
			panic("the simulator cannot format a disk: " + err.Error())
		}
	}
	f, err := fs.Create(n.rootOf(0) + core.BootstrapName)
	if err == nil {
		_, err = f.WriteAt([][]byte{bootstrapFile()}, 0)
	}
	if err == nil {
		err = f.SyncData()
	}
	if err == nil {
		err = fs.SyncDir(root)
	}
	if err == nil && root != "" {
		err = fs.SyncDir("")
	}
	if err != nil {
		panic("the simulator cannot format a disk: " + err.Error())
	}
}

func bootstrapFile() (file []byte) {
	var b record.Builder
	var next record.Offset
	batch := func(attributes record.Attributes, key, value []byte, err error) {
		if err != nil {
			panic("the simulator cannot write bootstrap.checkpoint: " + err.Error())
		}
		spec := record.PlainSpec(attributes)
		spec.BaseOffset, spec.LeaderEpoch = next, 0
		b.Reset(spec)
		b.Append(wallBase, key, value, nil)
		built, err := b.Build(nil)
		if err != nil {
			panic("the simulator cannot write bootstrap.checkpoint: " + err.Error())
		}
		file, next = append(file, built.Data...), next+1
	}
	control := func(c image.Control) {
		value, err := image.AppendControl(nil, c)
		batch(record.AttrControl, record.AppendControlKey(nil, c.ControlType()), value, err)
	}
	control(&image.SnapshotHeader{})
	r := &image.FeatureLevelRecord{Name: image.MetadataVersion, Level: controller.MetadataVersion}
	value, err := image.AppendRecord(nil, r, image.VersionFor(r, controller.MetadataVersion))
	batch(0, nil, value, err)
	control(&image.SnapshotFooter{})
	return file
}
