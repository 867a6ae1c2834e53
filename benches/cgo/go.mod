module cede/benches/cgo

go 1.21
