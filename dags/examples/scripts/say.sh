{% set runs = ti.xcom_pull('count') -%}
echo "{{ ds }}: {{ runs }} run{{ '' if runs == '1' else 's' }} up to now"
