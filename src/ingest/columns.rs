//! Records → columns: one Arrow batch per parsed block, in the staged schema.

use crate::error::Result;
use crate::lake::schema;
use crate::record::Record;
use arrow::array::{
    ArrayRef, BooleanBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use std::sync::Arc;

/// Collects records column by column.
pub struct Columns {
    audit_id: StringBuilder,
    created_on: TimestampMicrosecondBuilder,
    action: Int32Builder,
    operation: Int32Builder,
    object_type: StringBuilder,
    object_id: StringBuilder,
    object_name: StringBuilder,
    user_id: StringBuilder,
    user_name: StringBuilder,
    actor_id: StringBuilder,
    actor_name: StringBuilder,
    calling_user_id: StringBuilder,
    calling_user_name: StringBuilder,
    transaction_id: StringBuilder,
    attribute_mask: StringBuilder,
    change_data: StringBuilder,
    additional_info: StringBuilder,
    user_additional_info: StringBuilder,
    regarding_object_id: StringBuilder,
    regarding_object_name: StringBuilder,
    version_number: Int64Builder,
    time_to_live_s: Int32Builder,
    deleted_in_source: BooleanBuilder,
    source: StringBuilder,
    environment: StringBuilder,
    sink_modified_on: TimestampMicrosecondBuilder,
}

impl Columns {
    pub fn new() -> Self {
        Columns {
            audit_id: StringBuilder::new(),
            created_on: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            action: Int32Builder::new(),
            operation: Int32Builder::new(),
            object_type: StringBuilder::new(),
            object_id: StringBuilder::new(),
            object_name: StringBuilder::new(),
            user_id: StringBuilder::new(),
            user_name: StringBuilder::new(),
            actor_id: StringBuilder::new(),
            actor_name: StringBuilder::new(),
            calling_user_id: StringBuilder::new(),
            calling_user_name: StringBuilder::new(),
            transaction_id: StringBuilder::new(),
            attribute_mask: StringBuilder::new(),
            change_data: StringBuilder::new(),
            additional_info: StringBuilder::new(),
            user_additional_info: StringBuilder::new(),
            regarding_object_id: StringBuilder::new(),
            regarding_object_name: StringBuilder::new(),
            version_number: Int64Builder::new(),
            time_to_live_s: Int32Builder::new(),
            deleted_in_source: BooleanBuilder::new(),
            source: StringBuilder::new(),
            environment: StringBuilder::new(),
            sink_modified_on: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
        }
    }

    pub fn len(&self) -> usize {
        self.created_on.values_slice().len()
    }

    pub fn push(&mut self, record: &Record<'_>, environment: &str, source: &str) {
        let (actor_id, actor_name) = record.actor();
        self.audit_id.append_option(record.audit_id.as_deref());
        self.created_on.append_value(record.created_on);
        self.action.append_value(record.action);
        self.operation.append_option(record.operation);
        self.object_type.append_option(record.object_type.as_deref());
        self.object_id.append_option(record.object_id.as_deref());
        self.object_name.append_option(record.object_name.as_deref());
        self.user_id.append_option(record.user_id.as_deref());
        self.user_name.append_option(record.user_name.as_deref());
        self.actor_id.append_option(actor_id);
        self.actor_name.append_option(actor_name);
        self.calling_user_id.append_option(record.calling_user_id.as_deref());
        self.calling_user_name
            .append_option(record.calling_user_name.as_deref());
        self.transaction_id.append_option(record.transaction_id.as_deref());
        self.attribute_mask.append_option(record.attribute_mask.as_deref());
        self.change_data.append_option(record.change_data.as_deref());
        self.additional_info.append_option(record.additional_info.as_deref());
        self.user_additional_info
            .append_option(record.user_additional_info.as_deref());
        self.regarding_object_id
            .append_option(record.regarding_object_id.as_deref());
        self.regarding_object_name
            .append_option(record.regarding_object_name.as_deref());
        self.version_number.append_option(record.version_number);
        self.time_to_live_s.append_option(record.time_to_live_s);
        self.deleted_in_source.append_value(record.deleted_in_source);
        self.source.append_value(source);
        self.environment.append_value(environment);
        self.sink_modified_on.append_option(record.sink_modified_on);
    }

    pub fn finish(mut self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.audit_id.finish()),
            Arc::new(self.created_on.finish()),
            Arc::new(self.action.finish()),
            Arc::new(self.operation.finish()),
            Arc::new(self.object_type.finish()),
            Arc::new(self.object_id.finish()),
            Arc::new(self.object_name.finish()),
            Arc::new(self.user_id.finish()),
            Arc::new(self.user_name.finish()),
            Arc::new(self.actor_id.finish()),
            Arc::new(self.actor_name.finish()),
            Arc::new(self.calling_user_id.finish()),
            Arc::new(self.calling_user_name.finish()),
            Arc::new(self.transaction_id.finish()),
            Arc::new(self.attribute_mask.finish()),
            Arc::new(self.change_data.finish()),
            Arc::new(self.additional_info.finish()),
            Arc::new(self.user_additional_info.finish()),
            Arc::new(self.regarding_object_id.finish()),
            Arc::new(self.regarding_object_name.finish()),
            Arc::new(self.version_number.finish()),
            Arc::new(self.time_to_live_s.finish()),
            Arc::new(self.deleted_in_source.finish()),
            Arc::new(self.source.finish()),
            Arc::new(self.environment.finish()),
            Arc::new(self.sink_modified_on.finish()),
        ];
        Ok(RecordBatch::try_new(schema::STAGED.clone(), columns)?)
    }
}
