// Package doctorpb has the messages and the service of proto/perdure/doctor/v1,
// made by protoc with protoc-gen-go and protoc-gen-go-grpc, at the top of the tree:
//
//	protoc -Iproto --go_out=. --go_opt=module=perdure --go-grpc_out=. --go-grpc_opt=module=perdure perdure/doctor/v1/doctor.proto
package doctorpb
